"""What cannot be read of a fetched batch: fetched again where that can help, then a dead letter."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hangtag.kafka.raw_batch import RawBatch
from hangtag.records import Partition, Record
from hangtag.workers.source import Unreadable
from hangtag.write import Reason

# The stage of their dead letters.
READ = "read"
_FETCHES = 3


class UnreadableBatches:
    """Counts how often each batch could not be read."""

    def __init__(self) -> None:
        self._fetches: Counter[tuple[Partition, int]] = Counter()

    def fetch_again(self, partition: Partition, found: Sequence[Any]) -> int | None:
        """Place of the first of these records of kafka-python that is to be fetched once more; None if there is none.

        Whatever was fetched behind it is then to be fetched again too.
        """
        for place, one in enumerate(found):
            raw = one.value
            if isinstance(raw, RawBatch) and raw.may_pass:
                self._fetches[partition, raw.last] += 1
                if self._fetches[partition, raw.last] < _FETCHES:
                    return place
        return None

    def record_of(self, found: Any) -> Record | Unreadable:
        """The record that kafka-python's `ConsumerRecord` holds, or stands for."""
        record, raw = Record.of(found), found.value
        if not isinstance(raw, RawBatch):
            return record
        fetches = self._fetches.pop((record.partition, raw.last), 1)
        which = f"offset {raw.last}" if raw.first == raw.last else f"offsets {raw.first} to {raw.last}"
        message = (
            f"{which} of {record.partition.topic}-{record.partition.number} cannot be read ({raw.why}); the value is "
            "what the broker sent. Ask the sender to produce these events again, with a client that Kafka supports"
        )
        return Unreadable(record._replace(value=bytes(raw)), Reason(READ, "UnreadableBatch", message, fetches))
