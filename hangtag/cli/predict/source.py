"""The file whose products are tagged."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from hangtag.cli.errors import CommandError
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import LabelledRow, labelled_row
from hangtag.trainer.data.row import BadRow, EmptyRow
from hangtag.trainer.data.rows import RowsOf
from hangtag.trainer.recipe.columns import Columns

_PIECE = 1 << 20

Found = LabelledRow | BadRow


@dataclass(frozen=True, slots=True)
class Source:
    """A file with products, the hash of its content, and its number of lines; None: it is not known."""

    path: Path
    columns: Columns
    sha256: str
    lines: int | None

    @classmethod
    def of(cls, path: Path, columns: Columns) -> Self:
        """Read the file once for its hash. Labels are not read.

        Raises:
            CommandError: there is no such file.
        """
        if not path.is_file():
            msg = f"{path}: no such file"
            raise CommandError(msg)
        digest, lines = hashlib.sha256(), 1
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                lines += piece.count(b"\n")
        is_text = path.suffix.lower() in {".jsonl", ".csv", ".tsv"}
        unlabelled = columns.model_copy(update={"labelled": False})
        return cls(path, unlabelled, digest.hexdigest(), lines if is_text else None)

    def products(self, after: int) -> Iterator[tuple[Found, ProductText]]:
        """The rows that are not empty, beyond the first `after`: products with their texts, and bad rows with none.

        Raises:
            LabelledFileError: the file is not of its kind, or lacks a column.
        """
        rows = RowsOf(self.path, self.columns)
        for row in islice((row for row in rows if not isinstance(row, EmptyRow)), after, None):
            # A feed that is recognised by its header names its columns itself.
            found = row if isinstance(row, BadRow) else labelled_row(row, rows.mapping.columns)
            yield found, found.product.text if isinstance(found, LabelledRow) else ProductText("")
