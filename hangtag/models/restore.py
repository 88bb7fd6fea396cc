"""Puts the pointers back into a store that has lost its data."""

from hangtag.models.pointer import Pointer
from hangtag.models.record import PointerRecord
from hangtag.models.topic import ModelsTopic
from hangtag.settings import KafkaSettings, RedisSettings


def restore_pointers(kafka: KafkaSettings, redis: RedisSettings) -> list[Pointer]:
    """Write the pointer of every route to the store, where that has none or an earlier one; returns all of them.

    Raises:
        ModelsTopicError: the decisions cannot be read.
        StoreError: the store cannot be reached.
    """
    history = ModelsTopic(kafka).read()
    found = [pointer for pointer in map(history.current, history.routes) if pointer is not None]
    with PointerRecord(redis) as record:
        for pointer in found:
            record.write(pointer)
    return found
