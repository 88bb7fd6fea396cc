"""`hangtag model push`: a bundle is copied to the place for bundles."""

import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.models.options import Actor, Note
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # loads numpy
    from hangtag.bundle import ReferenceText

# Enough kinds of products that an engine which computes wrongly is noticed; tagged in a fraction of a second.
_TEXTS = 24


def push(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the bundle.")],
    reason: Note = "",
    actor: Actor = None,
    as_json: JsonOutput = False,
) -> None:
    """Copy a bundle to the place for models (models.store), where it is never changed. Nothing uses it yet.

    The bundle is loaded and run first. If it has no reference texts, some are tagged and added to it: every process
    that loads the bundle tags them again, and refuses it if other tags come out. The version stays the same. Files that
    another bundle has too, such as the weights under new thresholds, are stored once. Safe to repeat.

    Example: hangtag model push runs/october/bundle --reason "data of October"
    """
    from hangtag.bundle import read_manifest  # noqa: PLC0415
    from hangtag.cli.models.listing import as_row  # noqa: PLC0415
    from hangtag.cli.models.options import actor_of, open_shelf  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.models import Facts  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415

    settings = settings_here()
    shelf = open_shelf(settings)
    facts = Facts(pushed_by=actor_of(settings, actor), pushed_ms=SystemClock().wall_ms(), note=reason.strip())
    status = plain_console(stderr=True)
    try:
        with stopping(), tempfile.TemporaryDirectory(prefix="hangtag-push-") as made:
            version = read_manifest(folder).version
            is_new = all(each.version != version for each in shelf.list())
            if is_new:
                status.print(f"running {folder}", soft_wrap=True)
                source = _with_references(folder, Path(made) / "bundle")
                status.print(f"copying to {shelf.url}", soft_wrap=True)
            listed = shelf.push(source if is_new else folder, facts)
    except Stopped:
        typer.echo("stopped; the bundle is not listed", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json({**as_row(listed, []), "is_new": is_new})
        return
    was_there = "" if is_new else "; it was there already"
    size = f"{listed.size / 1e6:.1f} MB"
    plain_console().print(f"{listed.version} is in {shelf.url}, {size}{was_there}", soft_wrap=True)


def _with_references(folder: Path, made: Path) -> Path:
    """The folder, or a copy of its bundle with reference texts.

    Raises:
        ReferencesError: the bundle does not give its own reference texts their tags here.
        BundleError: it cannot be loaded.
    """
    from hangtag.bundle import add_references, read_references  # noqa: PLC0415
    from hangtag.settings import ModelSettings  # noqa: PLC0415
    from hangtag.tagger.references import check_references, make_references  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415

    # On the engine that every machine has: others are compared with it.
    tagger = open_tagger(ModelSettings(bundle=str(folder), engine="cpu"))
    own = read_references(folder)
    if own is not None:
        check_references(tagger, own)
        return folder
    add_references(folder, made, make_references(tagger, _texts()))
    return made


def _texts() -> "list[ReferenceText]":
    """Products of the demo's feed."""
    import orjson  # noqa: PLC0415

    from hangtag.bundle import ReferenceText  # noqa: PLC0415
    from hangtag.cli.feed_lines import demo_feed  # noqa: PLC0415

    names = ("title", "description", "merchant_category")
    with open(demo_feed(), "rb") as file:  # noqa: PTH123 (a resource of the package)
        products = [orjson.loads(line) for line in islice(file, _TEXTS * 2)]
    titled = [product for product in products if product.get("title", "").strip()]
    return [ReferenceText(**{name: product.get(name, "") for name in names}) for product in titled[:_TEXTS]]
