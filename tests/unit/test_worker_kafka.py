"""The Kafka source and sink over stand-ins for kafka-python: rebalances and refusing brokers."""

# ruff: noqa: ARG002

from types import SimpleNamespace

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    TopicAuthorizationFailedError,
)
from kafka.structs import MemberState
from structlog.testing import capture_logs

from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.tagged_topic import tagged_topic_config
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.workers import Change, SourceError, kafka_source, topics
from hangtag.write import Reason

AT = TopicPartition("products.events", 0)
PARTITION = Partition(*AT)
RECORD = Record(Partition("products.events", 2), 5, 1_000, b"k", b"v", ())
REASON = Reason("decode", "EventError", "why")


class Consumer:
    def __init__(self, **options):
        self.options = options
        self.pending: list = []
        self.ours: set = set()
        self.halted: set = set()
        self.offsets: dict = {}
        self.seeks: list = []
        self.error: Exception | None = None

    def partitions_for_topic(self, topic):
        return {0}

    def close(self, autocommit, timeout_ms):
        self.is_closed = True

    def subscribe(self, topics, listener):
        self.listener = listener

    def poll(self, timeout_ms, max_records):
        if self.error:
            raise self.error
        for step in self.pending:
            step()
        self.pending = []
        fetched, self.fetched = getattr(self, "fetched", {}), {}
        return fetched

    def assignment(self):
        return set(self.ours)

    def group_metadata(self):
        return SimpleNamespace(state=MemberState.STABLE if self.ours else MemberState.UNJOINED)

    def pause(self, partition):
        if partition not in self.ours:
            raise KeyError(partition)
        self.halted.add(partition)

    def resume(self, partition):
        if partition not in self.ours:
            raise KeyError(partition)
        self.halted.discard(partition)

    def committed(self, partition, timeout_ms, metadata=False):
        found = self.offsets.get(partition)
        return found if metadata or found is None else found.offset

    def position(self, partition, timeout_ms):
        return 40

    def seek(self, partition, offset):
        self.seeks.append((partition, offset))

    def seek_to_beginning(self, partition):
        self.seeks.append((partition, 0))

    def commit(self, offsets, timeout_ms):
        if self.error:
            raise self.error
        self.offsets.update(offsets)

    def assign(self):
        self.ours.add(AT)
        self.listener.on_partitions_assigned([AT])

    def revoke(self):
        self.ours.discard(AT)
        self.listener.on_partitions_revoked([AT])

    def bring(self, *offsets):
        self.fetched = {
            AT: [
                SimpleNamespace(
                    topic=AT.topic, partition=0, offset=offset, timestamp=1, key=None, value=b"v", headers=[("h", None)]
                )
                for offset in offsets
            ]
        }


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(kafka_source, "GroupConsumer", Consumer)
    return kafka_source.KafkaSource(KafkaSettings())


@pytest.fixture
def consumer(source):
    return source._consumer


def test_records_of_a_newly_assigned_partition_come_with_the_change(source, consumer):
    consumer.pending = [consumer.assign]
    consumer.bring(4, 5)

    polled = source.poll(0.1, 10)

    assert polled.changes == (Change(PARTITION, is_assigned=True),)
    assert [record.offset for record in polled.records] == [4, 5]
    assert polled.records[0].headers == (("h", None),)


def test_records_read_before_a_partition_was_revoked_are_dropped(source, consumer):
    consumer.assign()
    source.poll(0, 1)
    consumer.pending = [consumer.revoke]
    consumer.bring(4)

    polled = source.poll(0.1, 10)

    assert polled.changes == (Change(PARTITION, is_assigned=False),)
    assert polled.records == ()
    assert consumer.seeks == []


@pytest.mark.parametrize(("committed", "expected"), [(7, 7), (None, 0)])
def test_a_partition_revoked_and_assigned_in_one_poll_is_read_again_from_the_committed_offset(
    source, consumer, committed, expected
):
    consumer.assign()
    source.poll(0, 1)
    consumer.offsets = {} if committed is None else {AT: OffsetAndMetadata(committed)}
    consumer.pending = [consumer.revoke, consumer.assign]
    consumer.bring(40)

    polled = source.poll(0.1, 10)
    consumer.bring(expected)
    again = source.poll(0.1, 10)

    assert [change.is_assigned for change in polled.changes] == [False, True]
    assert polled.records == ()
    assert consumer.seeks == [(AT, expected)]
    assert [record.offset for record in again.records] == [expected]


def test_a_partition_assigned_while_paused_is_paused(source, consumer):
    source.pause()
    consumer.pending = [consumer.assign]
    source.poll(0, 1)
    assert consumer.halted == {AT}

    source.resume()

    assert consumer.halted == set()


def raw(first: int, last: int, **options) -> SimpleNamespace:
    value = RawBatch.of(b"raw", first, last, "why", **options)
    return SimpleNamespace(topic=AT.topic, partition=0, offset=last, timestamp=1, key=None, value=value, headers=[])


def test_a_batch_whose_checksum_is_wrong_is_fetched_three_times_with_what_follows_it(source, consumer):
    consumer.assign()
    source.poll(0, 1)
    consumer.bring(3, 9)
    before, behind = consumer.fetched[AT]
    for _ in range(2):
        consumer.fetched = {AT: [before, raw(4, 8, may_pass=True), behind]}
        assert [record.offset for record in source.poll(0.1, 10).records] == [3]
    consumer.fetched = {AT: [raw(4, 8, may_pass=True), behind]}

    unreadable, record = source.poll(0.1, 10).records

    assert consumer.seeks == [(AT, 4), (AT, 4)]
    assert record.offset == 9
    assert (unreadable.record.offset, unreadable.record.value, unreadable.reason.attempts) == (8, b"raw", 3)
    assert "offsets 4 to 8 of products.events-0 cannot be read (why)" in unreadable.reason.message


def test_what_fetching_again_cannot_help_is_handed_over_at_once(source, consumer):
    consumer.assign()
    source.poll(0, 1)
    consumer.fetched = {AT: [raw(4, 4)]}

    [unreadable] = source.poll(0.1, 10).records

    assert (unreadable.reason.stage, unreadable.reason.attempts) == ("read", 1)
    assert "offset 4 of products.events-0" in unreadable.reason.message
    assert consumer.seeks == []


def test_positions_leave_out_partitions_whose_records_are_read_again(source, consumer):
    consumer.assign()
    source.poll(0, 1)
    assert source.positions() == {PARTITION: 40}
    consumer.pending = [consumer.revoke, consumer.assign]
    consumer.bring(40)
    source.poll(0.1, 10)
    assert source.positions() == {}
    source.poll(0.1, 10)
    assert source.positions() == {PARTITION: 40}

    consumer.listener.on_partitions_lost([AT])

    assert source.positions() == {}


@pytest.mark.parametrize("error", [RebalanceInProgressError(), CommitFailedError(), KafkaTimeoutError()])
def test_a_commit_refused_by_a_rebalance_can_be_repeated(source, consumer, error):
    consumer.error = error
    assert source.commit({PARTITION: 3}, "store-1") is False

    consumer.error = None

    assert source.commit({PARTITION: 3}, "store-1") is True
    assert consumer.offsets == {AT: OffsetAndMetadata(3, "store=store-1")}


@pytest.mark.parametrize(
    ("metadata", "identity"), [("store=store-1", "store-1"), ("", ""), (None, ""), ("another client's note", "")]
)
def test_the_store_identity_in_a_committed_offset_comes_with_the_assignment(source, consumer, metadata, identity):
    consumer.offsets = {AT: OffsetAndMetadata(3, metadata)}
    consumer.pending = [consumer.assign]

    expected = Change(PARTITION, is_assigned=True, store_identity=identity, committed=3)
    assert source.poll(0.1, 10).changes == (expected,)


def test_a_worker_leaves_a_rebalance_that_never_ends_and_joins_again(source, consumer, monkeypatch):
    """The new consumer starts without partitions, and what the old one held is reported as lost."""
    consumer.pending = [consumer.assign]
    source.poll(0.1, 10)
    consumer.error = RebalanceInProgressError()
    now = 1_000.0
    monkeypatch.setattr(kafka_source, "time", SimpleNamespace(monotonic=lambda: now))
    with capture_logs() as logs:
        for _ in range(60):
            assert source.commit({PARTITION: 3}, "store-1") is False
            now += 1
        assert source._consumer is consumer
        now += 1
        assert source.commit({PARTITION: 3}, "store-1") is False

    assert [line["event"] for line in logs] == ["commit_postponed", "rejoining"], "one line a rebalance"
    assert consumer.is_closed
    assert source._consumer is not consumer
    assert source.poll(0.1, 10).changes == (Change(PARTITION, is_assigned=False),)


@pytest.mark.parametrize("between", ["time", "a rebalance", "a commit"])
def test_a_refusal_of_long_ago_does_not_make_a_worker_leave_its_group(source, consumer, monkeypatch, between):
    consumer.pending = [consumer.assign]
    source.poll(0.1, 10)
    now = 1_000.0
    monkeypatch.setattr(kafka_source, "time", SimpleNamespace(monotonic=lambda: now))
    for _ in range(3):
        consumer.error = RebalanceInProgressError()
        for _ in range(50):
            assert source.commit({PARTITION: 3}, "store-1") is False
            now += 1
        consumer.error = None
        if between == "time":
            now += 100
        elif between == "a rebalance":
            consumer.pending = [consumer.revoke, consumer.assign]
            source.poll(0.1, 10)
        else:
            assert source.commit({PARTITION: 3}, "store-1") is True

    assert source._consumer is consumer


def test_an_error_that_waiting_cannot_fix_ends_the_worker(source, consumer):
    consumer.error = TopicAuthorizationFailedError("products.events")

    with pytest.raises(SourceError, match="TopicAuthorizationFailed"):
        source.commit({PARTITION: 3}, "store-1")
    with pytest.raises(SourceError, match="TopicAuthorizationFailed"):
        source.poll(0, 1)


def test_the_consumer_does_not_commit_on_its_own_and_rebalances_in_time(consumer):
    assert consumer.options["enable_auto_commit"] is False
    assert consumer.options["auto_offset_reset"] == "earliest"
    assert 30_000 <= consumer.options["max_poll_interval_ms"] <= 60_000


def test_an_unreachable_broker_is_an_error_that_names_the_setting(monkeypatch):
    def refuse(**_options):
        raise KafkaTimeoutError

    monkeypatch.setattr(kafka_source, "GroupConsumer", refuse)

    with pytest.raises(SourceError, match=r"kafka\.bootstrap"):
        kafka_source.KafkaSource(KafkaSettings())


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ("events_topic", ""),
        ("dead_letter_topic", ""),
        ("tagged_topic", "".join(f" --config {name}={value}" for name, value in tagged_topic_config(604_800).items())),
        ("texts_topic", "".join(f" --config {name}={value}" for name, value in tagged_topic_config(604_800).items())),
        ("vectors_topic", "".join(f" --config {name}={value}" for name, value in tagged_topic_config(604_800).items())),
    ],
)
def test_a_topic_that_does_not_exist_is_an_error_with_the_command_that_creates_it(monkeypatch, setting, options):
    monkeypatch.setattr(kafka_source, "GroupConsumer", Consumer)
    monkeypatch.setattr(topics, "_TIMEOUT_S", 0)
    monkeypatch.setattr(Consumer, "partitions_for_topic", lambda _, topic: None if topic == "mistyped" else {0})

    with pytest.raises(SourceError, match=f"mistyped.*kafka.{setting}.*does not exist") as caught:
        kafka_source.KafkaSource(KafkaSettings(**{setting: "mistyped"}))

    expected = "kafka-topics.sh --bootstrap-server 127.0.0.1:9092 --create --topic mistyped --partitions 6" + options
    assert str(caught.value).endswith(expected)


def test_a_broker_that_dies_while_a_worker_starts_is_waited_for(monkeypatch):
    opened = Consumer()
    answers = iter([KafkaConnectionError("socket disconnected"), {0}, {0}, {0}, {0}])

    def partitions_for_topic(topic):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    opened.partitions_for_topic = partitions_for_topic
    monkeypatch.setattr(kafka_source, "GroupConsumer", lambda **_: opened)
    monkeypatch.setattr(topics.time, "sleep", lambda _: None)

    kafka_source.KafkaSource(KafkaSettings())

    assert list(answers) == []


def test_brokers_that_fail_until_the_deadline_end_the_start_with_the_reason(monkeypatch):
    opened = Consumer()

    def partitions_for_topic(topic):
        msg = "socket disconnected"
        raise KafkaConnectionError(msg)

    opened.partitions_for_topic = partitions_for_topic
    monkeypatch.setattr(kafka_source, "GroupConsumer", lambda **_: opened)
    monkeypatch.setattr(topics, "_TIMEOUT_S", 0)
    monkeypatch.setattr(topics.time, "sleep", lambda _: None)

    with pytest.raises(SourceError, match="cannot read from Kafka at 127.0.0.1:9092: KafkaConnectionError"):
        kafka_source.KafkaSource(KafkaSettings())
    assert opened.is_closed
