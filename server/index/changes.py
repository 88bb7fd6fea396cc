"""Records of `products.tagged` as changes of the index."""

import re
from typing import Any

from hangtag.index import Change
from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.whole_batches import WholeBatch
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
            return self._slow(found)
        return self._of_batch(value)

    def _of_batch(self, batch: WholeBatch) -> list[Change]:
        found: list[Change] = []
        offset = batch.base_offset
        match = _RANK.match
        try:
            for raw in batch.records():
                offset, key, value, headers = raw
                rank = match(headers)
                if rank is not None and key and (_begins_with(value, key) if value else key.isascii()):
                    version, sequence, revision = rank.groups()
                    numbers = (int(version), not value, int(sequence), int(revision))
                    found.append(Change(key, numbers, value or b""))
                else:
                    found += self._slow(batch.plain(raw))
        except (ValueError, IndexError) as error:
            self._skip(offset, f"the batch cannot be read from here on: {error}")
        return found

    def _slow(self, found: Any) -> list[Change]:
        """The change of a record whose headers are read one by one."""
        try:
            return [Change.of(entry_of(found.key, found.value, found.headers))]
        except TaggedRecordError as error:
            self._skip(found.offset, str(error))
            return []

    def _skip(self, offset: int, message: str) -> None:
        self.unreadable += 1
        _log.warning("tagged_record_unreadable", offset=offset, message=message)


def _begins_with(value: bytes, product_id: bytes) -> bool:
    """Whether a value is of this product, as far as its first field says; False also if that is not certain."""
    return value[0] == _ID_FIELD and len(product_id) == value[1] < _SHORT_ID and value.startswith(product_id, 2)
