"""The names of a table's columns."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hangtag.trainer.data.row import LabelledFileError, MissingColumnsError
from hangtag.trainer.recipe.columns import Columns

# If a file has no header, its first line is a product: messages do not show more of its text.
_MAX_NAME = 30
_MOST_NAMES = 40


def check_header(path: Path, header: Sequence[str], columns: Columns) -> None:
    """Check that the columns are there, each once.

    Raises:
        MissingColumnsError: one is missing.
        LabelledFileError: one is repeated.
    """
    repeated = sorted({name for name, count in Counter(header).items() if count > 1} & columns.used)
    if repeated:
        msg = f"{path}: two columns are named {repeated[0]!r}: rename one"
        raise LabelledFileError(msg)
    missing = columns.missing_in(header)
    if missing:
        shown = [name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…" for name in header[:_MOST_NAMES]]
        names = ", ".join(shown) + (f" and {len(header) - len(shown):,} more" if len(header) > len(shown) else "")
        msg = (
            f"{path}: missing columns: {', '.join(missing)}; found: {names}; map columns with --column (a facet's with "
            "--column facet.NAME=COLUMN), or name them in the first line; `hangtag data check` suggests a mapping"
        )
        raise MissingColumnsError(msg)
