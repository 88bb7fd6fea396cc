"""The undocumented parts of kafka-python that Hangtag uses are where it expects them: each test names one."""

import inspect
import time
from types import SimpleNamespace

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import FencedInstanceIdError
from kafka.record import MemoryRecords, MemoryRecordsBuilder
from kafka.structs import MemberState

from hangtag.kafka.internals import (
    ask_ends,
    ends_of,
    has_lost_its_id,
    join_again,
    keep_joins,
    last_read_s,
    partition_records_class,
    partitions_seen,
    raw_batch,
    read_with,
    stop_sending,
    unread,
)

# With a version given, kafka-python connects only when it has to.
OFFLINE = {"bootstrap_servers": "127.0.0.1:1", "api_version": (3, 0), "metrics_enabled": False}


@pytest.fixture
def consumer():
    opened = KafkaConsumer(**OFFLINE, group_id="workers")
    yield opened
    opened.close(autocommit=False, timeout_ms=100)


@pytest.fixture
def batch():
    builder = MemoryRecordsBuilder(2, 0, batch_size=1_000)
    for value in (b"first", b"second"):
        builder.append(timestamp=1, key=None, value=value)
    builder.close()
    return MemoryRecords(builder.buffer()).next_batch()


def test_fetcher_makes_the_partition_records_that_it_is_given(consumer):
    """`Fetcher.PartitionRecords`, with `_unpack_records(tp, records, key_deserializer, value_deserializer)`."""

    at = TopicPartition("products.events", 0)

    class Own(partition_records_class()):
        def _unpack_records(self, *arguments):
            found_at, records, _, _ = arguments
            assert found_at == at
            yield SimpleNamespace(offset=self.next_fetch_offset, value=records.next_batch())

    read_with(consumer, Own)
    consumer.assign([at])
    consumer.seek(at, 7)
    data = SimpleNamespace(
        error_code=0,
        high_watermark=9,
        diverging_epoch=None,
        preferred_read_replica=-1,
        aborted_transactions=None,
        records=b"",
    )
    fetched = SimpleNamespace(
        topic_partition=at, fetched_offset=7, response_version=12, partition_data=data, metric_aggregator=None
    )
    parsed = consumer._fetcher._parse_fetched_data(fetched)

    assert [record.offset for record in parsed.take(5)] == [7]


def test_batch_has_buffer_position_and_count(batch):
    """`_buffer`, `_pos`, `_num_records` and `_next_record_index` of `DefaultRecordBatch`."""
    assert raw_batch(batch)[16] == 2, "the record format stands at its place"
    next(iter(batch))

    left = unread(batch)

    assert left.records == 1
    assert b"second" in left.buffer[left.start :]
    assert b"first" not in left.buffer[left.start :]


def test_coordinator_can_be_asked_to_join_again(consumer):
    """`KafkaConsumer._coordinator.request_rejoin()`."""
    coordinator = consumer._coordinator
    coordinator.rejoin_needed = False

    join_again(consumer)

    assert coordinator.rejoin_needed


def test_an_answer_to_a_join_is_kept_until_a_poll_takes_it(consumer):
    """`_coordinator._do_join_and_sync_async`, which is called again when nobody took its answer."""
    coordinator, joins = consumer._coordinator, []

    async def join():
        coordinator.state = MemberState.REBALANCING
        joins.append(b"%d" % len(joins))
        return joins[-1]

    coordinator._do_join_and_sync_async = join
    keep_joins(consumer)

    def answer():
        return coordinator._net.run(coordinator._do_join_and_sync_async)

    assert [answer(), answer()] == [b"0", b"0"]
    coordinator.state = MemberState.STABLE
    assert answer() == b"1"
    coordinator.reset_generation()
    assert answer() == b"2"


def test_a_static_member_that_has_lost_its_id_sends_no_heartbeats(consumer):
    """`_coordinator._do_heartbeat` with `_heartbeat_enabled`, `rejoining` and `_lock`."""
    coordinator = consumer._coordinator
    coordinator.state = MemberState.STABLE
    coordinator._heartbeat_enabled = True

    async def refused():
        raise FencedInstanceIdError

    coordinator._send_heartbeat_request = refused
    assert not has_lost_its_id(consumer)

    coordinator._net.run(coordinator._do_heartbeat)

    assert has_lost_its_id(consumer)
    coordinator.rejoining = True
    assert not has_lost_its_id(consumer)


def test_coordinator_has_the_partitions_of_subscribed_topics(consumer):
    """`_coordinator._metadata_snapshot`, by topic."""
    consumer.subscribe(["products.events"])
    consumer._coordinator._handle_metadata_update(consumer._coordinator._cluster)

    assert partitions_seen(consumer) == {"products.events": set()}


def test_ends_are_asked_for_without_waiting(consumer):
    """`Fetcher._send_list_offsets_requests({tp: OffsetSpec})` on `KafkaConsumer._manager.call_soon`."""
    from kafka.structs import OffsetAndTimestamp

    at = TopicPartition("products.events", 0)
    asked = []

    async def send(wanted):
        asked.append(dict(wanted))
        return {at: OffsetAndTimestamp(7, -1, -1)}, set()

    assert inspect.iscoroutinefunction(consumer._fetcher._send_list_offsets_requests)
    consumer._fetcher._send_list_offsets_requests = send
    answered = ask_ends(consumer, [at])
    while not answered.is_done:
        time.sleep(0.001)

    assert asked == [{at: -1}]
    assert answered.succeeded()
    assert ends_of(answered) == {at: 7}


def test_connections_have_the_time_of_the_last_read(consumer):
    """`KafkaConsumer._manager._conns`, a dict; `KafkaConnection.connected` and `.transport`; `.last_read`."""
    from kafka.net.connection import KafkaConnection
    from kafka.net.transport import KafkaTCPTransport

    assert last_read_s(consumer) is None
    connection = KafkaConnection(None, node_id=1)
    connection.transport = KafkaTCPTransport(None, None)
    connection.transport.last_read = time.monotonic() - 5
    consumer._manager._conns[1] = connection
    try:
        assert last_read_s(consumer) is None, "not connected"
        connection.connected = True
        assert last_read_s(consumer) == connection.transport.last_read
    finally:
        del consumer._manager._conns[1]


def test_producer_has_a_sender_that_can_be_stopped():
    """`KafkaProducer._sender`, a thread with `force_close()`."""
    producer = KafkaProducer(**OFFLINE)
    sender = producer._sender
    assert sender.is_alive()

    stop_sending(producer, 5)

    assert not sender.is_alive()
    producer.close(timeout=0)
