"""The lines of a text file, in whatever encoding and with whatever line ends."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hangtag.trainer.data.encodings import detected_encoding, unicode_encoding
from hangtag.trainer.data.row import MAX_ROW_BYTES

# What opening and reading a damaged file raises: it cannot be read on from there.
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError)

_SAMPLE_BYTES = 1 << 22
_BEGINNING_BYTES = 1 << 12
_PIECE_BYTES = 1 << 16
_NOT_DECODED = re.compile("[\udc80-\udcff]")


Binary = gzip.GzipFile | io.BufferedReader


class Line(NamedTuple):
    """A line with its end; `number` counts from 1. If it cannot be used, `problem` says why."""

    number: int
    text: str
    problem: str = ""


class Lines:
    """The lines of an open file, each once. They end with LF, CR LF or CR.

    `encoding` is the one that was given or found, and `is_detected` says whether the file's letters were judged for it.
    `beginning` are the file's first characters, without white space before them.
    """

    def __init__(self, path: Path, file: Binary, encoding: str = "", *, may_be_code_page: bool) -> None:
        self.path = path
        sample = _sample(file)
        detect = detected_encoding if may_be_code_page else unicode_encoding
        self.encoding = encoding or detect(sample)
        self.is_detected = not encoding and self.encoding != unicode_encoding(sample)
        self.beginning = sample[:_BEGINNING_BYTES].decode(self.encoding, "replace").lstrip("\ufeff \t\r\n")
        self.number = 0
        self._text = io.TextIOWrapper(file, self.encoding, "surrogateescape", newline="")

    def __iter__(self) -> Iterator[Line]:
        was_cut = ""
        while text := self._text.readline(MAX_ROW_BYTES + 1):
            if text == "\n" and was_cut.endswith("\r"):
                was_cut = ""  # the second half of a line end
                continue
            self.number += 1
            was_cut = self._rest(text) if len(text) > MAX_ROW_BYTES else ""
            yield Line(self.number, "\n" if was_cut else text, self._problem(text))

    def pieces(self) -> Iterator[str]:
        """All that was not read as lines, as texts of a million characters."""
        while text := self._text.read(MAX_ROW_BYTES):
            yield text

    def _rest(self, text: str) -> str:
        """Skip the rest of a line that is too long; returns its last piece."""
        while not text.endswith(("\n", "\r")) and (more := self._text.readline(MAX_ROW_BYTES)):
            text = more
        return text

    def _problem(self, text: str) -> str:
        if len(text) > MAX_ROW_BYTES or (not text.isascii() and len(text.encode("utf-8", "replace")) > MAX_ROW_BYTES):
            return f"longer than {MAX_ROW_BYTES} bytes"
        wrong = None if text.isascii() else _NOT_DECODED.search(text)
        if wrong is None:
            return ""
        at = len(text[: wrong.start()].encode(self.encoding, "surrogateescape")) + 1
        name = self.encoding.upper().removesuffix("-SIG")
        return f"not {name} at byte {at}: save the file as UTF-8, or give its encoding with --column encoding=NAME"


def _sample(file: Binary) -> bytes:
    """The file's beginning; of a damaged file, what can be read of it. The next read starts at the beginning again."""
    sample = bytearray()
    with suppress(*UNREADABLE):
        while len(sample) < _SAMPLE_BYTES and (piece := file.read1(_PIECE_BYTES)):
            sample += piece
    with suppress(*UNREADABLE):
        file.seek(0)
    return bytes(sample)
