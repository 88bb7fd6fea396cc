"""Workers as static members of a real group (kafka.group_instance_id)."""

import threading
import time
from contextlib import closing

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewPartitions

from hangtag.store import MemoryTagStore
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import SystemClock
from hangtag.workers import SourceError, kafka_source
from hangtag.workers.kafka_source import KafkaSource
from hangtag.workers.tail import TailRepair
from hangtag.workers.tail_reader import TAIL_BEAT, TailReader
from hangtag.write import KafkaSink

# Tansu does not notice a second member with the same id, and cannot add partitions to a topic.
ON_KAFKA = pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)


class Member:
    """A source on a thread of its own, as in a worker; `ours` are its partitions, `error` is what ended it."""

    def __init__(self, settings, name):
        self.source = KafkaSource(settings.model_copy(update={"group_instance_id": name}))
        self.ours, self.changes, self.error = set(), 0, None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.is_set():
                for change in self.source.poll(0.05, 10).changes:
                    self.changes += 1
                    (self.ours.add if change.is_assigned else self.ours.discard)(change.partition.number)
        except SourceError as error:
            self.error = error

    def close(self):
        self._stop.set()
        self._thread.join(20)
        self.source.close()


def until(condition, seconds=40):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.05)


def patient(settings):
    """The older member must still be one when the newer takes its id, however busy the machine is."""
    return settings.model_copy(update={"session_timeout_s": 60})


def both(settings):
    first, second = Member(settings, "worker-0"), Member(settings, "worker-1")
    until(lambda: len(first.ours) == len(second.ours) == 3)
    return first, second


@ON_KAFKA
def test_a_static_member_that_restarts_keeps_its_partitions_and_nobody_rebalances(topics):
    first, second = both(topics)
    with closing(second):
        before, seen = set(first.ours), second.changes
        generation = second.source._consumer.group_metadata().generation_id
        first.close()
        with closing(Member(topics, "worker-0")) as again:
            until(lambda: again.ours)

            assert again.ours == before
            assert second.changes == seen
            assert second.source._consumer.group_metadata().generation_id == generation


@ON_KAFKA
def test_new_partitions_are_assigned_though_the_leader_of_the_group_restarted(topics, monkeypatch):
    """The brokers let a leader that restarts under its id lead no more, and kafka-python's followers do not look."""
    monkeypatch.setattr(kafka_source, "_METADATA_MAX_AGE_MS", 300)
    first, second = both(topics)
    is_first = first.source._consumer._coordinator._is_leader
    leader, other = (first, second) if is_first else (second, first)
    with closing(other):
        leader.close()
        with closing(Member(topics, "worker-0" if is_first else "worker-1")) as again:
            until(lambda: again.ours)
            with KafkaAdminClient(bootstrap_servers=topics.bootstrap) as admin:
                admin.create_partitions({topics.events_topic: NewPartitions(8)})

            until(lambda: again.ours | other.ours == set(range(8)))


@ON_KAFKA
def test_partitions_of_a_static_member_that_stays_away_move_after_the_session_timeout(topics):
    first, second = both(topics.model_copy(update={"session_timeout_s": 6}))
    with closing(second):
        first.close()

        until(lambda: second.ours == set(range(6)))


@ON_KAFKA
def test_of_two_workers_with_one_id_the_older_ends_with_an_error_that_says_so(topics):
    """Though it has nothing to commit."""
    with closing(Member(patient(topics), "worker-0")) as older:
        until(lambda: len(older.ours) == 6)
        with closing(Member(patient(topics), "worker-0")) as newer:
            until(lambda: older.error)

            assert "as worker-0 (kafka.group_instance_id)" in str(older.error)
            until(lambda: len(newer.ours) == 6)
            assert newer.error is None


@ON_KAFKA
def test_a_commit_under_an_id_that_another_has_taken_is_the_same_error(topics):
    with closing(Member(patient(topics), "worker-0")) as older:
        until(lambda: len(older.ours) == 6)
        older._stop.set()
        older._thread.join(20)
        with closing(Member(patient(topics), "worker-0")) as newer:
            until(lambda: len(newer.ours) == 6)

            with pytest.raises(SourceError, match="give every worker an id of its own"):
                older.source.commit(dict.fromkeys(older.source.positions(), 1), "store")


@ON_KAFKA
def test_the_tail_reader_ends_as_well_when_another_takes_its_id(topics):
    failures = []
    settings = patient(topics).model_copy(update={"group_instance_id": "worker-0"})

    class Watched(TailRepair):
        partitions = ()

        def keep(self, partitions):
            self.partitions = partitions
            super().keep(partitions)

    def reader():
        repair = Watched(MemoryTagStore(), sink)
        beats = Heartbeats(SystemClock(), {TAIL_BEAT: 60.0})
        opened = TailReader(settings, repair, beats, SystemClock(), failures.append)
        opened.start()
        until(lambda: len(repair.partitions) == 6)
        return opened

    with closing(KafkaSink(topics)) as sink, closing(reader()), closing(reader()):
        until(lambda: failures)

    assert len(failures) == 1
    assert isinstance(failures[0], SourceError)
