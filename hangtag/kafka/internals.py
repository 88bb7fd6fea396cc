"""The parts of kafka-python that it does not document, each behind one function.

pyproject.toml allows no later minor version, and tests/unit/test_kafka_internals.py names the part that has moved.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import OffsetSpec


class Unread(NamedTuple):
    """What is left of a batch: its bytes (decompressed, unless that failed), where the next record starts, how many."""

    buffer: bytes
    start: int
    records: int


def partition_records_class() -> type[Any]:
    """The class that turns a fetched response of one partition into records."""
    found: type[Any] = Fetcher.PartitionRecords
    return found


def read_with(consumer: KafkaConsumer, partition_records: type[Any]) -> None:
    """Let a consumer turn what it fetches into records with a subclass of `partition_records_class`."""
    consumer._fetcher.PartitionRecords = partition_records  # noqa: SLF001


def unread(batch: Any) -> Unread:
    """What is left of a batch of record format 2 after an error while it was read."""
    return Unread(bytes(batch._buffer), batch._pos, batch._num_records - batch._next_record_index)  # noqa: SLF001


def raw_batch(batch: Any) -> bytes:
    """The bytes of a batch that is not decompressed yet."""
    return bytes(batch._buffer)  # noqa: SLF001


def join_again(consumer: KafkaConsumer) -> None:
    """Let a consumer's next poll take part in the rebalance of its group."""
    consumer._coordinator.request_rejoin()  # noqa: SLF001


def keep_joins(consumer: KafkaConsumer) -> None:
    """Let a consumer's next poll take the answer to a join that came between two polls.

    kafka-python throws it away and joins again, which costs the group one more rebalance.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    join = coordinator._do_join_and_sync_async  # noqa: SLF001
    kept: list[bytes] = []

    async def join_or_take() -> bytes:
        # Whoever takes an answer makes the member stable.
        if not (kept and coordinator.rebalance_in_progress()):
            kept.clear()
            kept.append(await join())
        return kept[0]

    coordinator._do_join_and_sync_async = join_or_take  # noqa: SLF001


def has_lost_its_id(consumer: KafkaConsumer) -> bool:
    """Whether a static member has learned from a heartbeat that another one has taken its id: it sends no more."""
    coordinator = consumer._coordinator  # noqa: SLF001
    with coordinator._lock:  # noqa: SLF001
        # Before it joins again it stops them as well, but only after it has set `rejoining`.
        return coordinator.stable() and not coordinator.rejoining and not coordinator._heartbeat_enabled  # noqa: SLF001


def partitions_seen(consumer: KafkaConsumer) -> dict[str, set[int]]:
    """The partitions of the topics that a consumer has subscribed to, as the brokers last told them."""
    return dict(consumer._coordinator._metadata_snapshot)  # noqa: SLF001


def ask_ends(consumer: KafkaConsumer, partitions: Iterable[TopicPartition]) -> Any:
    """Ask for the ends of partitions, and do not wait: a future with `is_done` and `succeeded()`; see `ends_of`.

    Of a consumer that reads committed records only, they are the last stable offsets.
    """
    latest = dict.fromkeys(partitions, OffsetSpec.LATEST)
    return consumer._manager.call_soon(consumer._fetcher._send_list_offsets_requests, latest)  # noqa: SLF001


def ends_of(answered: Any) -> dict[TopicPartition, int]:
    """The offsets that a future of `ask_ends` has brought."""
    found, _to_ask_again = answered.value
    return {at: each.offset for at, each in found.items()}


def last_read_s(consumer: KafkaConsumer) -> float | None:
    """When a broker's last answer arrived, in seconds of `time.monotonic`; None if none is connected."""
    connections = list(consumer._manager._conns.values())  # noqa: SLF001
    # Another thread changes them: a connection without its transport is closing.
    transports = [connection.transport for connection in connections if connection.connected]
    return max((transport.last_read for transport in transports if transport is not None), default=None)


def stop_sending(producer: KafkaProducer, timeout_s: float) -> None:
    """End a producer's thread; what is being sent fails."""
    sender = producer._sender  # noqa: SLF001
    if sender is not None and sender.is_alive():
        sender.force_close()
        sender.join(timeout_s)


def opened(batch: Any) -> Unread:
    """A batch of record format 2 before its first record, decompressed. Raises whatever decompressing does."""
    iter(batch)
    return unread(batch)
