"""The rows of a JSON file that is one array of objects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hangtag.trainer.data.row import MAX_ROW_BYTES, BadRow, Row

_BETWEEN = " \t\r\n,"
# More than an element may have: what is no JSON has to be told from what is not read yet.
_MOST_CHARS = 4 * MAX_ROW_BYTES


def is_array(beginning: str) -> bool:
    """Whether a file that begins like this is an array of objects; `[1]` may be a bad line of JSONL."""
    return beginning.startswith("[") and beginning[1:].lstrip()[:1] in {"{", ""}


def array_rows(path: Path, pieces: Iterator[str]) -> Iterator[Row | BadRow]:
    """Read the array's elements from a text that comes in pieces; a row's line is the one that it begins in."""
    text = _Text(pieces)
    text.at = text.rest.index("[") + 1
    while (beginning := text.next_character()) and beginning != "]":
        line = text.line
        try:
            value = text.take()
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield BadRow(path, line, f"not JSON: {reason}; the array cannot be read from here on")
            return
        yield element(path, line, value)
    if not beginning:
        yield BadRow(path, text.line, "the array is not closed: the file ends before its end")


def element(path: Path, line: int, value: Any) -> Row | BadRow:
    """A row from an element of an array."""
    return Row(path, line, value) if isinstance(value, dict) else BadRow(path, line, "not a JSON object")


class _Text:
    """What is not read yet: `rest` from the place `at` on, which is in `line`, and the pieces to come."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._decode = json.JSONDecoder().raw_decode
        self.rest = next(pieces, "")
        self.at = 0
        self._counted = 0
        self._lines = 1

    @property
    def line(self) -> int:
        self._lines += self.rest.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._lines

    def next_character(self) -> str:
        """The first character of the next element, or the bracket after the last; empty at the end of the file."""
        while True:
            while self.at < len(self.rest) and self.rest[self.at] in _BETWEEN:
                self.at += 1
            if self.at < len(self.rest):
                return self.rest[self.at]
            if not self._has_more():
                return ""

    def take(self) -> Any:
        """The next element.

        Raises:
            ValueError: it is not JSON, or longer than an element may be.
        """
        while True:
            try:
                value, end = self._decode(self.rest, self.at)
            except ValueError:
                if len(self.rest) - self.at > _MOST_CHARS or not self._has_more():
                    raise
                continue
            if end == len(self.rest) and self._has_more():
                continue  # of a number, more may follow
            self.at = end
            return value

    def _has_more(self) -> bool:
        """Read the next piece, and forget what was read before."""
        piece = next(self._pieces, "")
        line = self.line
        self.rest, self.at, self._counted, self._lines = self.rest[self.at :] + piece, 0, 0, line
        return bool(piece)
