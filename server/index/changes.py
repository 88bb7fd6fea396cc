"""Records of `products.tagged` as changes of the index."""

import re
from collections.abc import Iterator
from typing import Any

from hangtag.index import Change
from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.whole_batches import RawRecord, WholeBatch
from hangtag.telemetry import get_log
from hangtag.write import TaggedRecordError, entry_of

# The headers as `hangtag.write.record_of` writes them, up to the numbers of the rank: names and values with their
# lengths in front. Whatever does not begin like this is read header by header, which takes ten times as long.
_RANK = re.compile(
    rb"[\x02-\x7e]\x1ehangtag\.version[\x02-\x24](\d{1,18})\x20hangtag\.sequence[\x02-\x24](\d{1,18})"
    rb"\x20hangtag\.revision[\x02-\x24](\d{1,18})(?:\x2c|$)",
)
# A value begins with the product id, field 1 of `ProductTags`, and its length in one byte.
_ID_FIELD = 0x0A
_SHORT_ID = 0x80

_log = get_log(__name__)


class Changes:
    """Reads changes out of what a `BatchConsumer` brings.

    Attributes:
        unreadable: records that Hangtag did not write, and batches that cannot be read.
    """

    def __init__(self) -> None:
        self.unreadable = 0

    def of(self, found: Any) -> list[Change]:
        """The changes of one record of a `BatchConsumer`."""
        value = found.value
        if isinstance(value, RawBatch):
            self._skip(found.offset, f"the batch cannot be read: {value.why}")
            return []
        if not isinstance(value, WholeBatch):
            return list(self._slow(found))
        return list(self._of_batch(value))

    def _of_batch(self, batch: WholeBatch) -> Iterator[Change]:
        offset = batch.base_offset
        try:
            for raw in batch.records():
                offset = raw.offset
                yield from self._fast(raw) or self._slow(batch.plain(raw))
        except (ValueError, IndexError) as error:
            self._skip(offset, f"the batch cannot be read from here on: {error}")

    def _fast(self, raw: RawRecord) -> tuple[Change] | None:
        """The change of a record that is written as Hangtag writes them; None if it is not."""
        key, value = raw.key, raw.value
        rank = _RANK.match(raw.headers)
        if rank is None or not key:
            return None
        if value:
            if not (value[0] == _ID_FIELD and len(key) == value[1] < _SHORT_ID and value.startswith(key, 2)):
                return None
        elif not key.isascii():
            return None
        version, sequence, revision = rank.groups()
        return (Change(key, (int(version), not value, int(sequence), int(revision)), value or b""),)

    def _slow(self, found: Any) -> Iterator[Change]:
        try:
            entry = entry_of(found.key, found.value, found.headers)
        except TaggedRecordError as error:
            self._skip(found.offset, str(error))
        else:
            yield Change.of(entry)

    def _skip(self, offset: int, message: str) -> None:
        self.unreadable += 1
        _log.warning("tagged_record_unreadable", offset=offset, message=message)
