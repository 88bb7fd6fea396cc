"""`hangtag data`: checking, splitting and cleaning labelled files before training."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.help_text import help_text
from hangtag.cli.options import ColumnNames, JsonFile, LabelledFiles
from hangtag.cli.progress import StepBar
from hangtag.cli.trainer_command import trainer_command
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # these load scikit-learn
    from hangtag.trainer.data.check import DataCheck
    from hangtag.trainer.data.labelled import LabelledRow
    from hangtag.trainer.data.rows import BadRow
    from hangtag.trainer.judging.label_noise import LabelNoise

# Bad rows that are printed; --json-file writes all.
_MAX_ROWS = 10

data = typer.Typer(no_args_is_help=True, help="Check, split and clean labelled files before training.")

ColumnFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file with columns, in place of or together with --column.")
]
NearDuplicates = Annotated[
    float,
    typer.Option(metavar="FRACTION", min=0.3, max=1, help="Similarity at which two texts count as near duplicates."),
]
OnProgress = Callable[[str, int, int], None]  # stage, number done, number in all


def check(
    files: LabelledFiles,
    column: ColumnNames = None,
    column_file: ColumnFile = None,
    base_model: Annotated[
        str, typer.Option(metavar="MODEL", help="Base model whose tokenizer measures the texts.")
    ] = "starter",
    max_tokens: Annotated[
        int, typer.Option(metavar="N", min=8, help="Length at which training truncates texts.")
    ] = 128,
    duplicates: NearDuplicates = 0.8,
    fewest: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of examples below which a tag counts as rare.")
    ] = 5,
    json_file: JsonFile = None,
) -> None:
    """Find bad rows, duplicates, conflicting labels, rare tags, imbalance and texts that will be truncated.

    The exit code is 1 if there are bad rows, which training refuses.

    Example: hangtag data check shop.csv --column title=Name --column facet.color=Colour --json-file check.json
    """
    with trainer_command("nothing was written"):
        from hangtag.trainer.data.check import CheckSettings  # noqa: PLC0415
        from hangtag.trainer.data.check import check as check_rows  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import resolve_base_model  # noqa: PLC0415
        from hangtag.trainer.fitting.model import load_tokenizer  # noqa: PLC0415

        settings = CheckSettings(max_tokens, duplicates, fewest)
        with _progress() as on_progress:
            rows, bad = _read(files, column, column_file)
            found = check_rows(rows, bad, load_tokenizer(resolve_base_model(base_model)), settings, on_progress)
        _print_check(found, fewest)
        _write(json_file, found.to_json)
    if bad:
        raise typer.Exit(1)


def split(
    files: LabelledFiles,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the train, validation and test files.")],
    column: ColumnNames = None,
    column_file: ColumnFile = None,
    validation: Annotated[
        float, typer.Option(metavar="FRACTION", min=0.01, max=0.9, help="Fraction of the products for validation.")
    ] = 0.15,
    test: Annotated[
        float,
        typer.Option(
            metavar="FRACTION", min=0, max=0.9, help="Fraction of the products for the test file; 0: no test file."
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random choice.")] = 7,
    duplicates: NearDuplicates = 0.8,
    disjoint: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="Field whose values, such as shops, must not be split between files; id:- uses the part of the "
            "product id before the first -.",
        ),
    ] = "",
    gz: Annotated[bool, typer.Option("--gz", help="Write .jsonl.gz files.")] = False,
) -> None:
    """Split labelled files into train, validation and test files with the same share of every tag.

    Near duplicates and rows with the same id stay in one file. An earlier split in the folder is replaced when this one
    is complete; input files are never replaced.

    Example: hangtag data split shop.csv --column facet.color=Colour --out data --validation 0.15 --disjoint shop
    """
    if validation + test >= 1:
        msg = "--validation and --test leave no products to train on"
        raise typer.BadParameter(msg)
    with trainer_command("run the same command to start again", out):
        from hangtag.trainer.data.split import SplitSettings  # noqa: PLC0415
        from hangtag.trainer.data.split import split as split_rows  # noqa: PLC0415
        from hangtag.trainer.data.split_files import check_folder, write_split  # noqa: PLC0415

        check_folder(out, files)
        prefix = disjoint.removeprefix("id:") if disjoint.startswith("id:") else ""
        settings = SplitSettings(validation, test, seed, duplicates, "" if prefix else disjoint, prefix)
        with _progress() as on_progress:
            rows, bad = _read(files, column, column_file)
            if bad:
                msg = f"{bad[0]} ({len(bad)} bad rows): fix or remove them; `hangtag data check` lists all of them"
                raise CommandError(msg)
            report = write_split(out, rows, split_rows(rows, settings, on_progress), zipped=gz, inputs=files)
    table = make_table("file", "products", "missing tags")
    for name, count in report["products"].items():
        table.add_row(name, f"{count:,}", str(len(report["missing"][name])))
    console = plain_console()
    console.print(table)
    console.print(
        f"{report['groups']:,} groups that were kept together, the largest with {report['largest_group']:,} products; "
        f"counts per tag are in {out / 'split.json'}",
        soft_wrap=True,
    )


def noise(
    files: LabelledFiles,
    column: ColumnNames = None,
    column_file: ColumnFile = None,
    folds: Annotated[int, typer.Option(metavar="N", min=2, max=20, help="Number of cross-validation folds.")] = 5,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Number of labels to show.")] = 25,
    json_file: JsonFile = None,
) -> None:
    """List labels that are probably wrong, most likely first, by cross-validation with a fast linear model.

    Bad rows are skipped and counted. Texts of products are not shown.

    Example: hangtag data noise shop.jsonl --top 50 --json-file doubts.json
    """
    with trainer_command("nothing was written"):
        from hangtag.trainer.judging.label_noise import find_label_noise  # noqa: PLC0415

        with _progress() as on_progress:
            rows, bad = _read(files, column, column_file)
            if not rows:
                msg = f"{bad[0]} ({len(bad)} bad rows): no good row is left; `hangtag data check` lists all of them"
                raise CommandError(msg)
            found = find_label_noise([row.product for row in rows], folds, on_progress)
        _print_noise(rows, bad, found, top)
        if found.left_out:
            plain_console().print(
                f"{len(found.left_out)} tags were not checked: fewer than {folds} products have them, "
                "or all of the facet's products do"
            )
        _write(json_file, lambda: _noise_json(rows, bad, found))


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A progress bar, as a function to call with the stage, the number done and the number in all."""
    with StepBar(plain_console(stderr=True)) as bar:
        bar.stage("Reading files")
        yield lambda stage, done, total: bar.step(f"{stage}  {done:,}/{total:,}", done, total)


def _read(
    files: Sequence[Path], pairs: Sequence[str] | None, toml: Path | None
) -> tuple[list["LabelledRow"], list["BadRow"]]:
    from hangtag.trainer.data.labelled import read_rows  # noqa: PLC0415
    from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

    rows, bad = read_rows(files, Columns.read(toml, pairs or ()))
    if not rows and not bad:
        msg = f"no products in {', '.join(map(str, files))}"
        raise CommandError(msg)
    return rows, bad


def _write(path: Path | None, results: Callable[[], dict[str, Any]]) -> None:
    if path is None:
        return
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(orjson.dumps(results(), option=orjson.OPT_INDENT_2))
        part.replace(path)
    except OSError as error:
        msg = f"{path}: the results cannot be written: {error.strerror}"
        raise CommandError(msg) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _plain(value: str) -> Text:
    """Text from a file, printed literally: without markup and without control characters."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value))


def _bad_rows(bad: Sequence["BadRow"], title: str) -> Table:
    table = make_table("file", "line", "problem", title=title)
    for each in bad[:_MAX_ROWS]:
        table.add_row(_plain(each.file.name), str(each.line), _plain(each.reason))
    return table


def _print_check(found: "DataCheck", fewest: int) -> None:
    console = plain_console()
    if found.bad:
        console.print(_bad_rows(found.bad, "bad rows"))
    facets = make_table(
        "facet", "labelled", "no tag", "several tags", "tags", f"tags below {fewest}", "largest", "evenness"
    )
    for name, facet in found.balance.items():
        rare = sum(count < fewest for count in facet.tags.values())
        counts = (facet.labelled, facet.none, facet.several, len(facet.tags), rare)
        facets.add_row(
            _plain(name), *(f"{each:,}" for each in counts), f"{facet.largest_share:.0%}", f"{facet.evenness:.2f}"
        )
    console.print(facets)
    summary = make_table("finding", "count", "what it means", show_header=False)
    near, exact = len(found.duplicates.near), sum(len(group) - 1 for group in found.duplicates.exact)
    named = sum(conflict.is_named for conflict in found.conflicts)
    full, most = found.duplicates.full, found.duplicates.most
    limited = f"; for {full:,} texts only the first {most} are listed" if full else ""
    lines = [
        ("good rows", len(found.rows), "rows that training can use"),
        ("bad rows", len(found.bad), "training refuses the file until they are fixed or removed"),
        ("repeated ids", len(found.same_id), "product ids on more than one row"),
        ("empty texts", len(found.empty), "rows without text after cleaning"),
        ("exact duplicates", exact, "rows with the text of an earlier row"),
        ("near duplicates", near, f"pairs; `hangtag data split` keeps each pair in one file{limited}"),
        (
            "label conflicts",
            len(found.conflicts),
            f"duplicates with different labels; in {named} the texts contain the labels (variants)",
        ),
        ("look-alike tags", len(found.look_alikes), "pairs that differ only in case and spaces: merge them?"),
    ]
    for name, count, meaning in lines:
        summary.add_row(name, f"{count:,}", meaning)
    if lengths := found.lengths:
        size = f"median {lengths.median:.0f}, 95 % up to {lengths.p95:.0f}, longest {lengths.longest:,}"
        cut = f"{lengths.cut / len(found.rows):.1%} truncated at {lengths.limit}, {lengths.lost:.1%} of all tokens lost"
        summary.add_row("tokens", f"{lengths.mean:.0f}", f"mean; {size}; {cut}")
    console.print(summary)


def _print_noise(rows: Sequence["LabelledRow"], bad: Sequence["BadRow"], found: "LabelNoise", top: int) -> None:
    console = plain_console()
    if bad:
        console.print(_bad_rows(bad, f"{len(bad):,} bad rows were skipped"))
    table = make_table("file", "line", "product", "facet", "label", "more likely", "probability of the label")
    for each in found.suspicions[:top]:
        row = rows[each.place]
        values = [value_of(name) or "none" for name in (each.given, each.suggested)]
        cells = (row.file.name, str(row.line), row.product.product_id, each.facet, *values, f"{each.score:.3f}")
        table.add_row(*map(_plain, cells))
    console.print(table)
    console.print(f"{len(found.suspicions):,} of {sum(found.checked.values()):,} labels are probably wrong")


def _noise_json(rows: Sequence["LabelledRow"], bad: Sequence["BadRow"], found: "LabelNoise") -> dict[str, Any]:
    return {
        "rows": len(rows),
        "rows_left_out": len(bad),
        "judged": found.checked,
        "left_out": list(found.left_out),
        "suspicions": [
            {
                **rows[each.place].place,
                "facet": each.facet,
                "given": each.given,
                "suggested": each.suggested,
                "score": round(each.score, 6),
            }
            for each in found.suspicions
        ],
    }


for command in (check, split, noise):
    data.command(help=help_text(command))(command)
