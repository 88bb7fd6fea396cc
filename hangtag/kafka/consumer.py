"""kafka-python's consumer, extended so that no batch stops it."""

from typing import Any

from kafka import KafkaConsumer

from hangtag.kafka.internals import read_with
from hangtag.kafka.readable import ReadableRecords


class Consumer(KafkaConsumer):  # type: ignore[misc] # kafka-python carries no types
    """What cannot be read of a batch comes as a record whose value is a `RawBatch`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        read_with(self, ReadableRecords)
