"""Texts of a Parquet, JSONL, CSV or TSV file."""

from collections.abc import Iterator, Mapping
from typing import Any

from hangtag.cli.errors import CommandError
from hangtag.cli.predict.source import Found, Source
from hangtag.text.limits import MAX_ID_BYTES, MAX_VERSION
from hangtag.text.product_text import ProductText
from hangtag.text.text_hash import text_hash
from hangtag.trainer.data.labelled import LabelledRow
from hangtag.trainer.errors import TrainerError
from hangtag.workers.retag import Chunk, SourceText

_ROWS = 1_024
_MAX_EXACT = 2**53


class FileSource:
    """See `TextSource`. The position `0` is the number of rows that are dealt with.

    A product's `version` and `language` are read from columns of these names, if there are any.
    """

    def __init__(self, source: Source, positions: Mapping[int, int]) -> None:
        self._source = source
        self._first = self._row = positions.get(0, 0)

    @property
    def total(self) -> int | None:
        """See `TextSource`."""
        return None if self._source.lines is None else max(0, self._source.lines - self._first)

    @property
    def done(self) -> int:
        """See `TextSource`."""
        return self._row - self._first

    def chunks(self) -> Iterator[Chunk]:
        """See `TextSource`.

        Raises:
            CommandError: the file is not of its kind, or lacks a column.
        """
        try:
            yield from self._chunks()
        except TrainerError as error:
            raise CommandError(str(error)) from error

    def _chunks(self) -> Iterator[Chunk]:
        texts: list[SourceText] = []
        unreadable = 0
        for found, text in self._source.products(self._row):
            self._row += 1
            if (each := source_text_of(found, text)) is None:
                unreadable += 1
            else:
                texts.append(each)
            if len(texts) + unreadable >= _ROWS:
                yield Chunk(texts, unreadable, {0: self._row})
                texts, unreadable = [], 0
        yield Chunk(texts, unreadable, {0: self._row})

    def commit(self, positions: Mapping[int, int]) -> None:
        """See `TextSource`; the store has the position."""


def source_text_of(found: Found, text: ProductText) -> SourceText | None:
    """The product of a row; None: the row is bad, or it has no text or no usable id."""
    if not isinstance(found, LabelledRow) or text.is_empty:
        return None
    product_id = found.product.product_id
    if not 0 < len(product_id.encode()) <= MAX_ID_BYTES:
        return None
    language = str(found.others.get("language") or "")
    return SourceText(product_id, _version(found.others.get("version")), text, text_hash(text, language))


def _version(found: Any) -> int | None:
    """The version in a cell; None if it has none, or no number."""
    is_text = isinstance(found, str) and found.isdecimal()
    if is_text or (isinstance(found, float) and found.is_integer() and abs(found) <= _MAX_EXACT):
        found = int(found)
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return found if is_number and 0 <= found <= MAX_VERSION else None
