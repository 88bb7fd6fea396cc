"""Invariant 2 of the write path: two writers race over many interleavings; store and topic end with the newest."""

import random

import pytest

from hangtag.records import TaggedProduct, encode_tags
from hangtag.store import Entry, MemoryTagStore, Outcome, bundle_prefix
from hangtag.tags.decisions import Decision
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.workers.tail import TailRepair
from hangtag.write import PartitionRebuild, SinkError, Update, Writes, entry_of
from tests.unit.interleaving import TAGGED, FlakySink, SharedStore, Topic, Turns

BUNDLES = ("a" * 64, "b" * 64)
SEEDS = range(400)


class Race:
    """Two workers' write paths over one store and one partition, and everything that may happen to them."""

    def __init__(self, seed: int, failures: float):
        self.turns = Turns(seed)
        self.dice = self.turns.dice
        self.store = MemoryTagStore()
        self.topic = Topic()
        self.failures = failures
        self.written: list[Update] = []
        self.snapshot: dict[str, Entry] = {}

    def writer(self, bundle: str) -> None:
        store, sink = SharedStore(self.store, self.turns), FlakySink(self.topic, self.turns, self.failures)
        for _ in range(4):
            products = random.Random(self.dice.random()).sample(["p", "q"], self.dice.choice([1, 2]))
            updates = [update(product, self.dice.randrange(1, 5), bundle, self.dice) for product in products]
            writes = Writes(updates)
            while True:
                try:
                    writes.run(store, sink)
                except SinkError:
                    continue
                break
            self.written += updates

    def run(self, between=lambda: None) -> None:
        self.turns.start(*(lambda bundle=bundle: self.writer(bundle) for bundle in BUNDLES))
        self.turns.run(between)
        assert self.turns.errors == []

    def run_and_flush(self) -> None:
        """As `run`, with records that arrive late and a store that loses its data now and then."""

        def between() -> None:
            if self.dice.random() < 0.3:
                self.topic.deliver_one(self.dice)
            if self.dice.random() < 0.05:
                self.store.empty()

        self.run(between)
        while self.topic.in_flight:
            self.topic.deliver_one(self.dice)

    def read_tail(self) -> int:
        """The tail reader reads all records, those that it produces included; returns how many it produces."""
        repair = TailRepair(self.store, FlakySink(self.topic, QuietTurns(), 0))
        place, repaired = 0, 0
        while place < len(self.topic.log):
            step = self.dice.randrange(1, 6)
            records = self.topic.log[place : place + step]
            repair.take(records, {TAGGED: len(self.topic.log)}, 0)
            place += len(records)
            assert repair.committable({TAGGED: place})[TAGGED] <= place
            repaired += repair.repair({TAGGED: place}, 60)
        assert repair.committable({TAGGED: place}) == {TAGGED: place}
        return repaired

    def rebuild(self) -> None:
        rebuild = PartitionRebuild(self.store, FlakySink(self.topic, QuietTurns(), 0))
        for place in range(0, len(self.topic.log), 3):
            rebuild.take(self.topic.log[place : place + 3])
        rebuild.finish()

    def last(self) -> dict[str, Entry]:
        """What compaction keeps."""
        entries = [entry_of(record.key, record.value, record.headers) for record in self.topic.log]
        return {entry.product_id: entry for entry in entries}

    def newest(self) -> dict[str, tuple[int, bool]]:
        """Version and deletion of the newest update of each product that was written."""
        found: dict[str, tuple[int, bool]] = {}
        for one in self.written:
            rank = (one.version, one.tags is None)
            found[one.product_id] = max(rank, found.get(one.product_id, rank))
        return found

    def check(self) -> None:
        assert self.last() == self.store.entries
        assert {product: entry.rank[:2] for product, entry in self.store.entries.items()} == self.newest()


class QuietTurns:
    dice = random.Random(0)

    def turn(self) -> None:
        pass


def update(product: str, version: int, bundle: str, dice: random.Random) -> Update:
    if dice.random() < 0.2:
        return Update(product, version, None)
    tags = TagSet((ScoredTag("color:red", 0.9, Source.MODEL, Band.AUTO),), ())
    return Update(product, version, tags, bundle, 0, bytes([version]) * 16, dice.randrange(10**6))


@pytest.mark.parametrize("failures", [0.0, 0.3])
def test_writers_that_live_leave_the_newest_in_the_store_and_last_on_the_topic(failures):
    """Without records that arrive late, no repair is needed."""
    for seed in SEEDS:
        race = Race(seed, failures)
        if failures:
            # A record of a failed try arrives at once or never.
            race.topic.in_flight = Never()
        race.run()
        race.check()


class Never(list):
    def append(self, _entry):
        pass


def test_the_tail_reader_repairs_what_dead_writers_and_late_records_leave():
    for seed in SEEDS:
        race = Race(seed, 0.3)

        def between(race=race) -> None:
            if race.dice.random() < 0.02:
                race.turns.kill_one()
            if race.dice.random() < 0.2:
                race.topic.deliver_one(race.dice)

        race.run(between)
        while race.topic.in_flight:
            race.topic.deliver_one(race.dice)
        race.read_tail()

        assert race.last().items() <= race.store.entries.items()
        newest = {product: entry.rank[:2] for product, entry in race.store.entries.items()}
        assert all(newest[product] >= rank for product, rank in race.newest().items())


@pytest.mark.parametrize("loss", ["flush", "stale failover"])
def test_a_rebuild_restores_what_the_store_lost(loss):
    for seed in SEEDS:
        race = Race(seed, 0.3)

        def between(race=race) -> None:
            if race.dice.random() < 0.3:
                race.topic.deliver_one(race.dice)
            if race.dice.random() < 0.1:
                race.snapshot = dict(race.store.entries)
            if race.dice.random() < 0.03:
                if loss == "flush":
                    race.store.empty()
                else:
                    race.store.entries = dict(race.snapshot)

        race.run(between)
        while race.topic.in_flight:
            race.topic.deliver_one(race.dice)
        race.rebuild()
        race.read_tail()

        race.check()


def test_decisions_of_people_survive_writers_that_have_not_seen_them():
    for seed in SEEDS:
        race = Race(seed, 0.0)
        dice = random.Random(seed)
        decided = dice.randrange(12)
        turns = 0

        def between(race=race, decided=decided) -> None:
            nonlocal turns
            turns += 1
            held = race.store.entries.get("p")
            if turns >= decided and held is not None and not held.is_deletion and not held.revision:
                found = Update.of(held).entry([Decision("color:red", is_accepted=False)], revision=7)
                race.store.entries["p"] = found

        race.run(between)

        held = race.store.entries.get("p")
        if held is not None and held.revision:
            assert encode_tags(TaggedProduct("p", held.version, TagSet((), ()), "", 0))[:3] == held.payload[:3]
            assert b"red" in held.payload
            assert Update.of(held).tags == TagSet((), ())


def test_an_update_refused_as_older_is_not_produced():
    store, topic = MemoryTagStore(), Topic()
    sink = FlakySink(topic, QuietTurns(), 0)
    Writes([Update("p", 5, TagSet((), ()), BUNDLES[0])]).run(store, sink)

    writes = Writes([Update("p", 4, TagSet((), ()), BUNDLES[0])])
    writes.run(store, sink)

    assert [outcome.value for outcome in writes.outcomes] == ["OLDER"]
    assert len(topic.log) == 1


def test_a_later_release_replaces_tags_of_the_same_version_and_an_earlier_one_does_not():
    store, topic = MemoryTagStore(), Topic()
    sink = FlakySink(topic, QuietTurns(), 0)
    for bundle, sequence in ((BUNDLES[0], 3), (BUNDLES[1], 4), (BUNDLES[0], 3)):
        Writes([Update("p", 1, TagSet((), ()), bundle, sequence)]).run(store, sink)

    assert store.entries["p"].bundle_prefix == bundle_prefix(BUNDLES[1])
    assert [entry_of(one.key, one.value, one.headers).sequence for one in topic.log] == [3, 4]


@pytest.mark.parametrize("left", [None, 2])
def test_what_the_store_lost_right_after_its_answer_is_stored_again(left):
    """The store answers SAME, and a failover to a replica that is behind comes before it is read."""

    class FailsOver(MemoryTagStore):
        def write(self, entries):
            replies = super().write(entries)
            if replies[0].outcome is Outcome.SAME and not self.has_failed_over:
                self.has_failed_over = True
                self.entries = {} if left is None else {"p": Update("p", left, TagSet((), ()), BUNDLES[0]).entry()}
            return replies

    update = Update("p", 4, TagSet((), ()), BUNDLES[0])
    store, topic = FailsOver(), Topic()
    store.has_failed_over = False
    store.entries = {"p": update.entry()}

    Writes([update]).run(store, FlakySink(topic, QuietTurns(), 0))

    assert store.entries == {"p": update.entry()}
    assert [entry_of(one.key, one.value, one.headers) for one in topic.log] == [update.entry()]


def stored_and_produced(*versions: int) -> Race:
    """A store that holds the largest version of p, and a topic with these versions in this order."""
    race = Race(0, 0)
    for version in versions:
        entry = Update("p", version, TagSet((), ()), BUNDLES[0]).entry()
        race.store.write([entry])
        race.topic.append(entry)
    return race


def test_only_a_record_that_nothing_newer_follows_is_repaired():
    race = stored_and_produced(1, 2, 3)

    assert race.read_tail() == 0
    assert len(race.topic.log) == 3

    race = stored_and_produced(1, 3, 2)

    assert race.read_tail() == 1
    assert race.last() == race.store.entries


def test_the_writer_of_a_newer_entry_gets_time_to_produce_it():
    race = stored_and_produced(1)
    newer = Update("p", 2, TagSet((), ()), BUNDLES[0]).entry()
    race.store.write([newer])
    repair = TailRepair(race.store, FlakySink(race.topic, QuietTurns(), 0))
    repair.take(race.topic.log, {TAGGED: 1}, now_s=0)

    assert repair.repair({TAGGED: 1}, now_s=1) == 0
    assert repair.committable({TAGGED: 1}) == {TAGGED: 0}, "the record is read again if the process ends now"
    race.topic.append(newer)
    repair.take(race.topic.log[1:], {TAGGED: 2}, now_s=2)

    assert repair.repair({TAGGED: 2}, now_s=60) == 0
    assert repair.committable({TAGGED: 2}) == {TAGGED: 2}


def test_a_partition_that_is_not_read_to_its_end_is_not_repaired_yet():
    race = stored_and_produced(1)
    race.store.write([Update("p", 2, TagSet((), ()), BUNDLES[0]).entry()])
    repair = TailRepair(race.store, FlakySink(race.topic, QuietTurns(), 0))
    repair.take(race.topic.log, {TAGGED: 5}, now_s=0)

    assert repair.repair({TAGGED: 4}, now_s=60) == 0
    assert repair.repair({TAGGED: 5}, now_s=60) == 1


def test_what_was_read_of_a_partition_that_is_taken_away_is_forgotten():
    race = stored_and_produced(1)
    race.store.write([Update("p", 2, TagSet((), ()), BUNDLES[0]).entry()])
    repair = TailRepair(race.store, FlakySink(race.topic, QuietTurns(), 0))
    repair.take(race.topic.log, {TAGGED: 1}, now_s=0)

    repair.keep([])

    assert repair.repair({TAGGED: 1}, now_s=60) == 0
