"""A row of a labelled file: usable, bad or empty."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangtag.trainer.errors import TrainerError

MAX_ROW_BYTES = 1 << 20


class LabelledFileError(TrainerError):
    """A labelled file cannot be used; the message names file, line and reason."""


class MissingColumnsError(LabelledFileError, TrainerError):
    """A table lacks columns that the mapping names."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's fields as in the file; `line` is its first line (Parquet: the row's number), counted from 1."""

    file: Path
    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why; `content` is what it holds, as text, if that could be read."""

    file: Path
    line: int
    reason: str
    content: str = ""

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class EmptyRow:
    """A row without content: a blank line, or cells that are all blank."""

    file: Path
    line: int
