"""`hangtag release`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.table import Table

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames, JsonFile
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:  # loads scikit-learn
    from hangtag.tagger.tagger import Tagger
    from hangtag.trainer.data.labelled import LabelledProduct
    from hangtag.trainer.releasing.compare import Difference, TagDifference
    from hangtag.trainer.releasing.first_release import FirstVerdict
    from hangtag.trainer.releasing.gate import Limits, Verdict

# Length of the lists of tags.
_MAX_TAGS = 10


def release(
    candidate: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the new bundle.")],
    labelled: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Labelled file that neither bundle was trained on. Repeatable."),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the current bundle, or starter. Default: the bundle in --to; without one, this is a first "
            "release.",
        ),
    ] = None,
    column: ColumnNames = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to copy the new bundle to if it passes.")
    ] = None,
    max_loss: Annotated[float, typer.Option(metavar="POINTS", min=0, help="Points of F1 that a facet may lose.")] = 0.5,
    max_mean_loss: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0,
            help="Points of mean F1 that may be lost over tags of both bundles with 5 products or more.",
        ),
    ] = 1.0,
    max_tag_loss: Annotated[
        float, typer.Option(metavar="POINTS", min=0, help="Points of F1 that a tag may lose.")
    ] = 5.0,
    max_coverage_loss: Annotated[
        float,
        typer.Option(
            metavar="POINTS", min=0, help="Percentage points of products with an AUTO tag that a facet may lose."
        ),
    ] = 5.0,
    max_slowdown: Annotated[
        float, typer.Option(metavar="FRACTION", min=0, help="Fraction of the speed that may be lost.")
    ] = 0.1,
    max_size: Annotated[float, typer.Option(metavar="MB", min=0.001, help="Largest size of the new bundle.")] = 48.0,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Allow tags to be removed.")] = False,
    allow_weaker_promise: Annotated[
        bool, typer.Option("--allow-weaker-promise", help="Allow a lower promised precision of AUTO tags.")
    ] = False,
    min_f1: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, help="F1 that each facet of a first release needs.")
    ] = 50.0,
    json_file: JsonFile = None,
) -> None:
    """Check whether a new bundle may replace the current one, and copy it into place if it passes.

    Both bundles tag the same products on the CPU engine. The exit code is 1 if the new bundle is refused. A loss of F1
    counts only where it is significant; a loss of mean F1 or coverage always counts. A first release, without a bundle
    to compare with, needs --min-f1 for every facet instead. The bundle that was in --to is kept beside it as
    NAME.previous.

    Example: hangtag release runs/new/bundle --labelled validation.jsonl --to bundles/shop
    """
    console = plain_console(stderr=True)
    with trainer_command("nothing was released"):
        from hangtag.bundle import check_place, copy_bundle, load_bundle  # noqa: PLC0415
        from hangtag.settings import ModelSettings  # noqa: PLC0415
        from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415
        from hangtag.trainer.releasing.gate import Limits  # noqa: PLC0415

        limits = Limits(
            loss=max_loss,
            mean_loss=max_mean_loss,
            tag_loss=max_tag_loss,
            coverage_loss=max_coverage_loss,
            slowdown=max_slowdown,
            megabytes=max_size,
            allow_missing=allow_missing,
            allow_weaker_promise=allow_weaker_promise,
            least_f1=min_f1,
        )
        with console.status("reading") as status:
            if to is not None:
                check_place(to)
            products = read_labelled(labelled, Columns.read(None, column or ()))
            in_place = load_bundle(to).version if to is not None and (to / "manifest.json").is_file() else None
            offered = open_tagger(ModelSettings(bundle=str(candidate), engine="cpu"))
            if against is None and in_place == offered.bundle.version:
                console.print(f"{to} has this version already; nothing was changed", soft_wrap=True)
                return
            in_use = against or (str(to) if in_place else None)
            verdict = _verdict(offered, candidate, in_use, products, limits, status.update)
            if json_file is not None:
                json_file.write_bytes(orjson.dumps(verdict.to_json(), option=orjson.OPT_INDENT_2))
            released = ""
            if to is not None and not verdict.refused:
                previous = to.with_name(to.name + ".previous")
                if in_place == offered.bundle.version:
                    released = f"{to} has this version already; nothing was changed"
                else:
                    copy_bundle(candidate, to, previous)
                    kept = f"; the previous bundle is in {previous}" if in_place else ""
                    released = f"{candidate} is now in {to}{kept}"
    _print(verdict)
    if verdict.refused:
        raise typer.Exit(1)
    if released:
        plain_console().print(released, soft_wrap=True)


def _verdict(
    offered: "Tagger",
    candidate: Path,
    in_use: str | None,
    products: "Sequence[LabelledProduct]",
    limits: "Limits",
    on_stage: Callable[[str], None],
) -> "Verdict | FirstVerdict":
    from hangtag.bundle import STARTER  # noqa: PLC0415
    from hangtag.settings import ModelSettings  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
    from hangtag.trainer.releasing.first_release import check_first_release  # noqa: PLC0415
    from hangtag.trainer.releasing.gate import check_release  # noqa: PLC0415

    if in_use is None:
        return check_first_release(offered, products, _megabytes(candidate), limits, on_stage)
    current = open_tagger(ModelSettings(bundle=in_use, engine="cpu"))
    if current.bundle.version == offered.bundle.version:
        msg = (
            f"both bundles have version {current.bundle.version[:12]}, and nothing is worse than itself: name the "
            "bundle in use with --against, or leave --against out for a first release"
        )
        raise CommandError(msg)
    sizes = _megabytes(STARTER if in_use == "starter" else Path(in_use)), _megabytes(candidate)
    return check_release(current, offered, products, sizes, limits, on_stage)


def _print(verdict: "Verdict | FirstVerdict") -> None:
    from hangtag.trainer.releasing.first_release import FirstVerdict  # noqa: PLC0415

    if isinstance(verdict, FirstVerdict):
        _print_first(verdict)
    else:
        _print_comparison(verdict)
    console = plain_console()
    for warning in verdict.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)
    for reason in verdict.refused:
        console.print(f"refused: {reason}", soft_wrap=True)
    console.print("REFUSED" if verdict.refused else "PASSED", style="red bold" if verdict.refused else "green bold")


def _print_comparison(verdict: "Verdict") -> None:
    console = plain_console()
    compared = verdict.compared
    table = make_table(
        "facet", "products", "F1 now", "candidate", "difference", "macro F1", "AUTO tags", "AUTO precision"
    )
    for facet in compared.facets:
        served = compared.served[facet.facet]
        table.add_row(
            facet.facet,
            f"{facet.products:,}",
            f"{facet.f1.current:.2f}",
            f"{facet.f1.candidate:.2f}",
            _interval(facet.f1),
            _interval(facet.macro_f1),
            f"{served.tags:,}",
            f"{served.right / served.tags:.1%}" if served.tags else "",
        )
    console.print(table)
    coverage = make_table("facet", "now", "candidate", title="AUTO coverage: share of all products with an AUTO tag")
    for name, shares in compared.coverage.items():
        coverage.add_row(name, *(f"{share:.1%}" for share in shares))
    console.print(coverage)
    tags = sorted((tag for facet in compared.facets for tag in facet.tags), key=lambda each: each.f1.points)
    console.print(_tags("tags that lose most", [tag for tag in tags if tag.f1.points < 0]))
    common = [tag for tag in reversed(tags) if tag.tag not in verdict.new]
    console.print(_tags("tags that gain most", [tag for tag in common if tag.f1.points > 0]))
    if verdict.new:
        new = sorted((tag for tag in tags if tag.tag in verdict.new), key=lambda tag: tag.f1.candidate)
        console.print(_tags("new tags, lowest F1 first", new))
    if compared.shared is not None:
        console.print(f"tags in both bundles: mean F1 {_interval(compared.shared)}")
    now, new_size = verdict.megabytes
    console.print(
        f"speed: {verdict.speed:.2f} times that of the current bundle; size: {new_size:.1f} MB, now {now:.1f} MB"
    )
    console.print(f"tags: {len(verdict.new)} new, {len(verdict.missing)} removed")


def _print_first(verdict: "FirstVerdict") -> None:
    table = make_table("facet", "products", "F1", "most common label", "AUTO coverage", "AUTO tags", "AUTO precision")
    for name, facet in verdict.evaluation.facets.items():
        served = verdict.served[name]
        table.add_row(
            name,
            f"{facet.support:,}",
            f"{verdict.f1[name]:.2f}",
            f"{verdict.constant_f1[name]:.2f}",
            f"{facet.auto_coverage:.1%}",
            f"{served.tags:,}",
            f"{served.right / served.tags:.1%}" if served.tags else "",
        )
    plain_console().print(table)
    plain_console().print(f"size: {verdict.megabytes:.1f} MB; a first release, compared with no other bundle")


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def _tags(title: str, tags: "list[TagDifference]") -> Table:
    table = make_table("tag", "support", "F1 now", "candidate", "difference", title=title)
    for tag in tags[:_MAX_TAGS]:
        table.add_row(tag.tag, str(tag.support), f"{tag.f1.current:.1f}", f"{tag.f1.candidate:.1f}", _interval(tag.f1))
    return table


def _interval(difference: "Difference") -> str:
    return f"{difference.points:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})"
