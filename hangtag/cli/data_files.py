"""Reading the files of `hangtag data`: their mapping, and a suggestion if there is none."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.data_findings import shell_word
from hangtag.cli.errors import CommandError

if TYPE_CHECKING:  # they load pydantic and more
    from hangtag.trainer.data.labelled import Reading
    from hangtag.trainer.recipe.columns import Columns

ColumnFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file with columns, in place of or together with --column.")
]


def mapping(pairs: Sequence[str] | None, toml: Path | None) -> "Columns":
    """The mapping that `--column` and `--column-file` give."""
    from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

    return Columns.read(toml, pairs or ())


def read(files: Sequence[Path], columns: "Columns", on_row: Callable[[int], None] = lambda _: None) -> "Reading":
    """Read labelled files; the rows are kept in temporary files. `on_row` is called with the number of rows so far.

    Raises:
        CommandError: they hold no products, or lack columns; the message then has a mapping that may fit.
    """
    from hangtag.trainer.data.labelled import MissingColumnsError, read_rows  # noqa: PLC0415
    from hangtag.trainer.data.rows_on_disk import reading_on_disk  # noqa: PLC0415

    try:
        reading = read_rows(files, columns, reading_on_disk(), on_row)
    except MissingColumnsError as error:
        msg = f"{error}{_suggestion(files, columns)}"
        raise CommandError(msg) from error
    if not reading.good and not reading.bad:
        empty = f" ({reading.empty:,} empty rows)" if reading.empty else ""
        msg = f"no products in {', '.join(map(str, files))}{empty}"
        raise CommandError(msg)
    if not reading.good and (suggestion := _suggestion(files, columns)):
        msg = f"{reading.bad[0]} ({len(reading.bad):,} bad rows, none is good){suggestion}"
        raise CommandError(msg)
    return reading


def _suggestion(files: Sequence[Path], columns: "Columns") -> str:
    """A mapping for the first file, for the end of a message; empty if none is found."""
    from hangtag.trainer.data.suggested_columns import suggested_columns  # noqa: PLC0415

    found = [f"--column {shell_word(each)}" for each in suggested_columns(files[0], columns)]
    return "\n  ".join(["\nBy their names and cells, the columns may be:", *found]) if found else ""
