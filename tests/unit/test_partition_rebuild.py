"""A rebuild that is stopped anywhere and goes on at its offset ends like one that was not."""

import random

from hangtag.store import Entry, MemoryTagStore
from hangtag.tags.tagset import TagSet
from hangtag.write import Comparison, Disagreement, PartitionRebuild, Update
from tests.unit.interleaving import FlakySink, Topic
from tests.unit.test_write_races import BUNDLES, QuietTurns, Race

TTL_S = 604_800


def tags(version: int, product: str = "p", bundle: str = BUNDLES[0]) -> Entry:
    return Update(product, version, TagSet((), ()), bundle).entry()


def topic_of(*entries: Entry) -> Topic:
    topic = Topic()
    for entry in entries:
        topic.append(entry)
    return topic


def rebuild_of(store: MemoryTagStore, topic: Topic) -> PartitionRebuild:
    return PartitionRebuild(store, FlakySink(topic, QuietTurns(), 0))


def disagreements(store: MemoryTagStore, topic: Topic) -> dict[Disagreement, int]:
    comparison = Comparison(store, TTL_S, now=lambda: 0.0)
    comparison.take(topic.log)
    comparison.take_stored([list(store.entries)])
    while comparison.look_again():
        pass
    return {kind: finding.count for kind, finding in comparison.findings.items() if finding.count}


def test_an_older_record_behind_a_newer_one_holds_the_offset_back_until_a_newer_one_follows():
    store, topic = MemoryTagStore(), topic_of(tags(3), tags(2), tags(1, "q"), tags(4))
    rebuild = rebuild_of(store, topic)

    for offset, expected in enumerate([1, 1, 1, 4]):
        rebuild.take(topic.log[offset : offset + 1])
        assert rebuild.next_offset(offset + 1) == expected

    assert rebuild.finish() == 0
    assert (rebuild.restored, rebuild.held, rebuild.unreadable) == (3, 1, 0)


def test_what_the_store_holds_of_the_same_rank_is_produced_again():
    """The store's entry counts where entries of one rank have other bytes."""
    store, topic = MemoryTagStore(), topic_of(tags(3))
    held = Update("p", 3, TagSet((), ()), BUNDLES[0], tagged_at_ms=5).entry()
    store.entries["p"] = held
    rebuild = rebuild_of(store, topic)
    rebuild.take(topic.log)

    assert rebuild.finish() == 1
    assert store.entries["p"] == held
    assert disagreements(store, topic) == {}


def test_a_rebuild_stopped_anywhere_ends_like_one_that_was_not():
    for seed in range(300):
        race = Race(seed, 0.3)
        race.run_and_flush()
        if seed % 2:
            race.store.empty()
        dice = random.Random(seed)
        end, saved = len(race.topic.log), 0
        while True:
            rebuild, position = rebuild_of(race.store, race.topic), saved
            while position < end and dice.random() < 0.8:
                step = dice.randrange(1, 4)
                rebuild.take(race.topic.log[position : min(end, position + step)])
                position = min(end, position + step)
                saved = rebuild.next_offset(position)
            if position == end:
                break
        rebuild.finish()

        assert disagreements(race.store, race.topic) == {}, seed
