"""The rows of a JSON file that is one array of objects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hangtag.trainer.data.row import BadRow, Row


def is_array(beginning: str) -> bool:
    """Whether a file that begins like this is an array of objects; `[1]` may be a bad line of JSONL."""
    return beginning.startswith("[") and beginning[1:].lstrip()[:1] in {"{", ""}


def array_rows(path: Path, text: str) -> Iterator[Row | BadRow]:
    """Read the array's elements; a row's line is the one that it begins in."""
    decoder = json.JSONDecoder()
    at, line, seen = text.index("[") + 1, 1, 0
    while (at := _skip(text, at, " \t\r\n,")) < len(text) and text[at] != "]":
        line, seen = line + text.count("\n", seen, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield BadRow(path, line, f"not JSON: {error}; the array cannot be read from here on")
            return
        yield element(path, line, value)
    if at >= len(text):
        yield BadRow(path, line, "the array is not closed: the file ends before its end")


def element(path: Path, line: int, value: Any) -> Row | BadRow:
    """A row from an element of an array."""
    return Row(path, line, value) if isinstance(value, dict) else BadRow(path, line, "not a JSON object")


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
