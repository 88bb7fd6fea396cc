"""`hangtag data`: checking, splitting and cleaning labelled files before training."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.data_correct import correct
from hangtag.cli.data_files import ColumnFile, mapping, read
from hangtag.cli.data_findings import noise_json, print_check, print_noise, print_notes
from hangtag.cli.data_merge import merge
from hangtag.cli.data_queries import queries
from hangtag.cli.errors import CommandError
from hangtag.cli.help_text import help_text
from hangtag.cli.options import ColumnNames, JsonFile, LabelledFiles
from hangtag.cli.progress import StepBar
from hangtag.cli.trainer_command import trainer_command

data = typer.Typer(no_args_is_help=True, help="Check, split and clean labelled files before training.")

NearDuplicates = Annotated[
    float,
    typer.Option(metavar="FRACTION", min=0.3, max=1, help="Similarity at which two texts count as near duplicates."),
]
OnProgress = Callable[[str, int, int | None], None]  # stage, number done, number in all if it is known
_SHOWN_EVERY = 1_000


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

    The exit code is 1 if there are bad rows, which training refuses. Files may be larger than memory: rows are kept in
    temporary files, in the folder that TMPDIR names.

    Example: hangtag data check shop.csv --column title=Name --column facet.color=Colour --json-file check.json
    """
    with trainer_command("nothing was written"):
        from hangtag.trainer.data.check import CheckSettings  # noqa: PLC0415
        from hangtag.trainer.data.check import check as check_rows  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import resolve_base_model  # noqa: PLC0415
        from hangtag.trainer.fitting.model import load_tokenizer  # noqa: PLC0415

        settings = CheckSettings(max_tokens, duplicates, fewest)
        with _progress() as on_progress:
            columns = mapping(column, column_file)
            reading = read(files, columns, _reading(on_progress))
            found = check_rows(reading, load_tokenizer(resolve_base_model(base_model)), settings, on_progress)
        print_check(found, fewest, columns)
        _write(json_file, found.findings)
    if reading.bad:
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
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad rows out and write them, with the reasons, to refused.jsonl.")
    ] = False,
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
        from hangtag.trainer.data.labelled import refuse  # noqa: PLC0415
        from hangtag.trainer.data.split import SplitSettings  # noqa: PLC0415
        from hangtag.trainer.data.split import split as split_rows  # noqa: PLC0415
        from hangtag.trainer.data.split_files import check_folder, write_split  # noqa: PLC0415

        check_folder(out, files)
        prefix = disjoint.removeprefix("id:") if disjoint.startswith("id:") else ""
        settings = SplitSettings(validation, test, seed, duplicates, "" if prefix else disjoint, prefix)
        with _progress() as on_progress:
            reading = read(files, mapping(column, column_file), _reading(on_progress))
            if not skip_bad:
                refuse(reading.bad)
            parts = split_rows(reading.good, settings, on_progress)
            report = write_split(out, reading.good, parts, zipped=gz, inputs=files, refused=reading.bad)
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
    if reading.bad:
        name = "refused.jsonl.gz" if gz else "refused.jsonl"
        console.print(f"{len(reading.bad):,} bad rows were left out; they are in {out / name}", soft_wrap=True)
    print_notes(reading)


def noise(
    files: LabelledFiles,
    column: ColumnNames = None,
    column_file: ColumnFile = None,
    folds: Annotated[int, typer.Option(metavar="N", min=2, max=20, help="Number of cross-validation folds.")] = 5,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Number of labels to show.")] = 25,
    json_file: JsonFile = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write them for verdicts: .csv, .jsonl, or .json for Label Studio."),
    ] = None,
) -> None:
    """List labels that are probably wrong, most likely first, by cross-validation with a fast linear model.

    Each is shown with what the model makes of the product's words: the probabilities of the label and of the likelier
    one. `hangtag data correct` reads the verdicts of people, and confirmed labels are not listed again. Bad rows are
    skipped and counted. The JSON file has no texts.

    Example: hangtag data noise shop.jsonl --top 50 --export doubts.csv
    """
    with trainer_command("nothing was written"):
        from hangtag.trainer.data.views import Products  # noqa: PLC0415
        from hangtag.trainer.judging.label_noise import find_label_noise  # noqa: PLC0415
        from hangtag.trainer.mistakes.exported import check_export, row_of_suspicion, write_rows  # noqa: PLC0415

        if export is not None:
            check_export(export)
        with _progress() as on_progress:
            reading = read(files, mapping(column, column_file), _reading(on_progress))
            if not reading.good:
                bad = reading.bad
                msg = f"{bad[0]} ({len(bad)} bad rows): no good row is left; `hangtag data check` lists all of them"
                raise CommandError(msg)
            found = find_label_noise(Products(reading.good), folds, on_progress)
        print_noise(reading, found, top)
        if found.left_out:
            plain_console().print(
                f"{len(found.left_out)} tags were not checked: fewer than {folds} products have them, "
                "or all of the facet's products do"
            )
        _write(json_file, lambda: noise_json(reading, found))
        if export is not None:
            rows = [(reading.good[each.place], each) for each in found.suspicions]
            write_rows([row_of_suspicion(each, row.product, row.file.name) for row, each in rows], export)


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A progress bar, as a function to call with the stage, the number done and the number in all."""
    with StepBar(plain_console(stderr=True)) as bar:
        bar.stage("Reading files")

        def on_progress(stage: str, done: int, total: int | None) -> None:
            bar.step(f"{stage}  {done:,}" if total is None else f"{stage}  {done:,}/{total:,}", done, total)

        yield on_progress


def _reading(on_progress: OnProgress) -> Callable[[int], None]:
    """Shows the number of rows that were read, from time to time."""
    return lambda rows: on_progress("reading rows", rows, None) if rows % _SHOWN_EVERY == 0 else None


def _write(path: Path | None, results: Callable[[], dict[str, Any]]) -> None:
    if path is None:
        return
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.writelines(_json_lines(results()))
        part.replace(path)
    except OSError as error:
        msg = f"{path}: the results cannot be written: {error.strerror}"
        raise CommandError(msg) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _json_lines(results: Mapping[str, Any]) -> Iterator[bytes]:
    """A JSON object, of which values that are iterators become arrays, one element after the other."""
    between = b"{\n"
    for name, value in results.items():
        yield between + orjson.dumps(name) + b": "
        between = b",\n"
        if isinstance(value, Iterator):
            start = b"[\n"
            for each in value:
                yield start + orjson.dumps(each)
                start = b",\n"
            yield b"[]" if start.startswith(b"[") else b"\n]"
        else:
            yield orjson.dumps(value, option=orjson.OPT_INDENT_2)
    yield b"\n}\n"


for command in (check, merge, split, noise, correct, queries):
    data.command(help=help_text(command))(command)
