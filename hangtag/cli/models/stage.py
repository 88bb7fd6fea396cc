"""`hangtag model stage`: whether a bundle works on this machine, before it is promoted."""

import time

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.models.options import Version
from hangtag.cli.options import EngineName, JsonOutput


def stage(version: Version, engine: EngineName = None, as_json: JsonOutput = False) -> None:
    """Fetch a bundle to this machine, check every file, load it and run its reference texts. Nothing uses it yet.

    A worker or server on this machine then needs no download when the bundle is promoted.

    Example: hangtag model stage 3f9c21
    """
    from hangtag.bundle import read_references  # noqa: PLC0415
    from hangtag.cli.models.options import open_shelf  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.models import LocalModels  # noqa: PLC0415
    from hangtag.tagger.references import check_references  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415

    settings = settings_here()
    shelf, local = open_shelf(settings), LocalModels(settings.models.cache_dir)
    status = plain_console(stderr=True)
    try:
        with stopping():
            listed = shelf.facts(version)
            status.print(f"fetching {listed.version[:12]}, {listed.size / 1e6:.1f} MB", soft_wrap=True)
            started = time.monotonic()
            folder = local.get(listed.version, shelf)
            fetched = time.monotonic()
            status.print("loading it", soft_wrap=True)
            model = settings.model.model_copy(update={"bundle": str(folder), "engine": engine or settings.model.engine})
            tagger = open_tagger(model)
            references = read_references(folder)
            if references is not None:
                check_references(tagger, references)
            loaded = time.monotonic()
    except Stopped:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from None
    texts = len(references.texts) if references is not None else 0
    if as_json:
        print_json(
            {
                "version": listed.version,
                "folder": str(folder),
                "engine": tagger.engine.name,
                "reference_texts": texts,
                "fetch_s": round(fetched - started, 3),
                "load_s": round(loaded - fetched, 3),
            }
        )
        return
    plain_console().print(
        f"{listed.version[:12]} works here with the engine {tagger.engine.name}: {texts} reference texts have their "
        f"tags; fetched in {fetched - started:.1f} s, loaded in {loaded - fetched:.1f} s",
        soft_wrap=True,
    )
