"""`hangtag errors`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer
from rich.console import Console

from hangtag.cli.console import make_table, plain_console, printable, short_title
from hangtag.cli.errors import CommandError
from hangtag.cli.options import DataFolder, JsonOutput
from hangtag.cli.trainer_command import trainer_command
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # they load scikit-learn
    from hangtag.trainer.judging.slices import Slice
    from hangtag.trainer.mistakes.case import Case
    from hangtag.trainer.mistakes.review import Review


def errors(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    data: DataFolder = Path(),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HTML file to write. Default: errors.html in the run's folder.")
    ] = None,
    facet: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this facet: color. Repeatable.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="Only products labelled or predicted so: color:red. Repeatable."),
    ] = None,
    pair: Annotated[
        str | None, typer.Option(metavar="LABEL=TAG", help="Only one confusion: class:boots=class:sneakers.")
    ] = None,
    kind: Annotated[
        Literal["wrong, AUTO", "wrong", "missing", "doubt"] | None, typer.Option(help="Only cases of this kind.")
    ] = None,
    band: Annotated[
        Literal["AUTO", "REVIEW", "REJECT"] | None, typer.Option(help="Only predictions in this band.")
    ] = None,
    shop: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this shop. Repeatable.")] = None,
    language: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Only texts in this language: de. Repeatable.")
    ] = None,
    shops: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV file with product_id and shop, if the files lack a column shop."),
    ] = None,
    by: Annotated[
        Literal["shop", "source", "language", "length"] | None,
        typer.Option(help="Print how good the bundle is on each of these, the certainly worst first."),
    ] = None,
    most: Annotated[int, typer.Option(metavar="COUNT", min=0, help="Rows to print.")] = 20,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the cases: .jsonl, .csv, or .json for Label Studio."),
    ] = None,
    no_texts: Annotated[
        bool,
        typer.Option("--no-texts", help="Leave the products' texts out of page and table, so that they can be shared."),
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Show what a run's bundle gets wrong or doubts: every case with its candidates and similar training products.

    The page is one file that filters by itself and needs no server.

    Example: hangtag errors runs/shop --data . --facet class --by shop --export doubts.csv
    """
    console = Console(stderr=True)
    with trainer_command("run the same command again", out):
        from hangtag.tags.thresholds import Band  # noqa: PLC0415
        from hangtag.trainer.data.shops import read_shops  # noqa: PLC0415
        from hangtag.trainer.mistakes.case import CaseKind  # noqa: PLC0415
        from hangtag.trainer.mistakes.exported import check_export, write_cases  # noqa: PLC0415
        from hangtag.trainer.mistakes.review import review  # noqa: PLC0415
        from hangtag.trainer.mistakes.selection import Selection  # noqa: PLC0415

        if export is not None:
            check_export(export)
        selection = Selection(
            facets=frozenset(facet or ()),
            tags=frozenset(tag or ()),
            shops=frozenset(shop or ()),
            languages=frozenset(language or ()),
            bands=frozenset({Band(band)} if band else ()),
            kinds=frozenset({CaseKind(kind)} if kind else ()),
            pair=_pair(pair),
        )
        with console.status("reading") as status:

            def on_stage(stage: str) -> None:
                console.print(f"{stage} ...")
                status.update(stage)

            found = review(run, data, selection, shops=read_shops(shops) if shops else None, on_stage=on_stage)
            page = out or run / "errors.html"
            found.write(page, with_texts=not no_texts)
            if export is not None:
                write_cases(found.cases, export)
    if as_json:
        sys.stdout.write(orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    _print(found, by, most, with_texts=not no_texts)
    Console(soft_wrap=True).print(str(page))


def _pair(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    label, equals, tag = text.partition("=")
    if not equals or ":" not in label or ":" not in tag:
        msg = f"--pair {text}: write the label and the tag predicted in its place: class:boots=class:sneakers"
        raise CommandError(msg)
    return label, tag


def _print(found: "Review", by: str | None, most: int, *, with_texts: bool) -> None:
    console = plain_console()
    counts = found.to_json()["counts"]
    products = len(found.gathered.validation)
    console.print(f"{products:,} products: " + ", ".join(f"{count:,} {kind}" for kind, count in counts.items()))
    if by is None:
        _print_cases(found.cases[:most], with_texts=with_texts)
        return
    slices = next((its for name, its in found.slices.items() if name.value == by), ())
    if not slices:
        console.print(f"the products are not from several of: {by}")
        return
    _print_slices(slices[:most], by, len(slices))


def _print_cases(cases: "Sequence[Case]", *, with_texts: bool) -> None:
    if not cases:
        return
    table = make_table("kind", "facet", "labelled", "predicted", "confidence", "title" if with_texts else "product")
    for case in cases:
        table.add_row(
            case.kind.value,
            case.facet,
            *(", ".join(value_of(tag) for tag in tags) or "none" for tags in (case.labels, case.predicted)),
            f"{case.confidence:.2f} {case.band.value}",
            short_title(case.product.title) if with_texts else printable(case.product.product_id),
        )
    plain_console().print(table)


def _print_slices(slices: "Sequence[Slice]", by: str, total: int) -> None:
    title = f"right, with 95 % intervals; the certainly worst {len(slices):,} of {total:,}"
    table = make_table(by, "facet", "products", "right", "interval", title=title)
    for each in slices:
        interval = f"{100 * each.low:.1f} to {100 * each.high:.1f} %"
        table.add_row(printable(each.name), each.facet, f"{each.products:,}", f"{100 * each.share:.1f} %", interval)
    plain_console().print(table)
