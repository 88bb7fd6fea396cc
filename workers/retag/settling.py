"""What an earlier process of a re-tag has stored and perhaps not produced."""

from hangtag.store import RetagStore, TagStore
from hangtag.write import RecordSink, Writes


def settle(kept: RetagStore, store: TagStore, sink: RecordSink) -> None:
    """Produce what the store holds of the products that an earlier process was writing when it ended.

    Raises:
        StoreError, SinkError: the store or the brokers do not answer.
    """
    held = store.read(kept.writing())
    Writes.of_stored([entry for entry in held if entry is not None]).run(store, sink)
