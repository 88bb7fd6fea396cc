"""Texts of a topic: `products.texts`, `products.vectors`, or the events themselves."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hangtag.cli.topic import TopicReader
from hangtag.kafka.raw_batch import RawBatch
from hangtag.records import EventError, Kind, Record, decode_event
from hangtag.records.json_event import DECODE
from hangtag.tagger.release import Release
from hangtag.text.text_hash import text_hash
from hangtag.workers.retag import Chunk, SourceText
from hangtag.write import TextRecordError, VectorRecordError, kept_text_of, kept_vector_of

# The text of a record; None: it has none, because the product was deleted.
Decode = Callable[[Record], SourceText | None]


class TopicSource:
    """See `TextSource`. Positions are the next offset of each partition."""

    def __init__(self, reader: TopicReader, decode: Decode, positions: Mapping[int, int]) -> None:
        self._reader = reader
        self._decode = decode
        reader.start_at(positions)

    @property
    def total(self) -> int:
        """See `TextSource`."""
        return self._reader.total

    @property
    def done(self) -> int:
        """See `TextSource`."""
        return self._reader.total - self._reader.remaining

    def chunks(self) -> Iterator[Chunk]:
        """See `TextSource`."""
        for records in self._reader.chunks_until_end():
            texts, unreadable = [], 0
            for found in records:
                try:
                    text = self._decode(Record.of(found))
                except (EventError, TextRecordError, VectorRecordError):
                    unreadable += 1
                else:
                    texts += [] if text is None else [text]
            yield Chunk(texts, unreadable, self._reader.positions())

    def commit(self, positions: Mapping[int, int]) -> None:
        """See `TextSource`."""
        self._reader.commit(positions)


def of_text(record: Record) -> SourceText | None:
    """The text of a record of `products.texts`.

    Raises:
        TextRecordError: Hangtag did not write it.
    """
    if isinstance(record.value, RawBatch):
        raise TextRecordError(record.value.why)
    kept = kept_text_of(record)
    return None if kept.is_deletion else SourceText(kept.product_id, kept.version, kept.text, kept.text_hash)


def of_vector(release: Release) -> Decode:
    """What decodes the records of `products.vectors`, and leaves out those of vectors that the release cannot use."""
    vectors = release.tagger.vectors

    def decode(record: Record) -> SourceText | None:
        if isinstance(record.value, RawBatch):
            raise VectorRecordError(record.value.why)
        kept = kept_vector_of(record)
        if kept is None or kept.vector is None or not vectors.knows(kept.vector):
            return None
        return SourceText(kept.product_id, kept.version, kept.text, kept.text_hash, vector=kept.vector)

    return decode


def of_event(max_record_bytes: int) -> Decode:
    """What decodes the records of `products.events`; a worker makes dead letters of those that it refuses."""

    def decode(record: Record) -> SourceText | None:
        value: Any = record.value
        if isinstance(value, RawBatch):
            raise EventError(DECODE, value.why)
        event = decode_event(value, record.key, record.headers, record.timestamp_ms, max_record_bytes)
        if event.kind is Kind.DELETED:
            return None
        return SourceText(event.product_id, event.version, event.text, text_hash(event.text, event.language))

    return decode
