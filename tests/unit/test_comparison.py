"""Each way in which store and topic can disagree is found, and a healthy pair is not reported."""

import random

import pytest

from hangtag.records import Record
from hangtag.store import Entry, MemoryTagStore
from hangtag.tags.tagset import TagSet
from hangtag.write import Comparison, Disagreement, Update, record_of
from hangtag.write.comparison import Example
from tests.store_behaviour import deletion
from tests.unit.interleaving import TAGGED, Topic
from tests.unit.test_write_races import Race, update

NOW_S = 1_000_000_000.0
TTL_S = 604_800
OLD_MS = int((NOW_S - TTL_S - 1) * 1_000)
BUNDLES = ("a" * 64, "b" * 64)


def tags(version: int, bundle: str = BUNDLES[0], seed: int = 0) -> Entry:
    dice = random.Random(seed)
    found = update("p", version, bundle, dice)
    while found.tags is None:
        found = update("p", version, bundle, dice)
    return found.entry()


def records(*entries: Entry, timestamp_ms: int = int(NOW_S * 1_000)) -> list[Record]:
    found = []
    for offset, entry in enumerate(entries):
        key, value, headers = record_of(entry)
        found.append(Record(TAGGED, offset, timestamp_ms, key, value, tuple(headers)))
    return found


def compare(stored: Entry | None, topic: list[Record], step: int = 1) -> dict[Disagreement, list[Example]]:
    store = MemoryTagStore()
    if stored is not None:
        store.entries[stored.product_id] = stored
    comparison = Comparison(store, TTL_S, now=lambda: NOW_S)
    for start in range(0, len(topic), step):
        comparison.take(topic[start : start + step])
    comparison.take_stored([list(store.entries)])
    while comparison.look_again():
        pass
    assert all(finding.count == len(finding.examples) for finding in comparison.findings.values())
    return {kind: finding.examples for kind, finding in comparison.findings.items() if finding.count}


@pytest.mark.parametrize("step", [1, 10])
@pytest.mark.parametrize(
    ("stored", "topic", "kind", "versions"),
    [
        (None, [tags(1), tags(2)], Disagreement.MISSING, (None, 2, 2)),
        (None, [tags(1), deletion(2)], Disagreement.MISSING, (None, 2, 2)),
        (tags(1), [tags(1), tags(2)], Disagreement.OLDER, (1, 2, 2)),
        (tags(1), [tags(2), tags(1)], Disagreement.OLDER, (1, 2, 1)),
        (tags(2), [tags(2), deletion(2)], Disagreement.OLDER, (2, 2, 2)),
        (tags(3), [tags(1), tags(2)], Disagreement.NEWER, (3, 2, 2)),
        (deletion(2), [tags(1), tags(2)], Disagreement.NEWER, (2, 2, 2)),
        (tags(2), [tags(2, seed=1)], Disagreement.OTHER, (2, 2, 2)),
        (tags(2), [tags(2), tags(2, BUNDLES[1])], Disagreement.OTHER, (2, 2, 2)),
        (tags(2), [tags(2), tags(1)], Disagreement.NOT_LAST, (2, 2, 1)),
        (tags(3), [tags(1), tags(3), tags(2)], Disagreement.NOT_LAST, (3, 3, 2)),
        (tags(2), [], Disagreement.NOT_IN_TOPIC, (2, None, None)),
    ],
)
def test_each_disagreement_is_found_with_its_versions(stored, topic, kind, versions, step):
    if kind is Disagreement.NOT_LAST and step == 1:
        # The newest was read before: only its hash is known when an older one follows.
        versions = (versions[0], versions[2], versions[2])

    assert compare(stored, records(*topic), step) == {kind: [Example("p", *versions)]}


@pytest.mark.parametrize("step", [1, 10])
@pytest.mark.parametrize(
    ("stored", "topic"),
    [
        (tags(2), [tags(1), tags(2)]),
        (tags(2), [tags(2), tags(1), tags(2)]),
        (tags(2, BUNDLES[1]), [tags(2), tags(2, BUNDLES[1])]),
        (deletion(2), [tags(1), deletion(2)]),
        (deletion(2), []),
        (None, []),
    ],
)
def test_a_healthy_pair_is_not_reported(stored, topic, step):
    assert compare(stored, records(*topic), step) == {}


def test_a_deletion_that_has_left_the_store_in_time_is_not_missing():
    assert compare(None, records(deletion(2), timestamp_ms=OLD_MS)) == {}
    assert compare(None, records(tags(2), timestamp_ms=OLD_MS)) != {}


def test_what_is_written_meanwhile_is_looked_at_again_until_it_rests():
    store, topic = MemoryTagStore(), Topic()
    comparison = Comparison(store, TTL_S, now=lambda: NOW_S)
    topic.append(tags(1))
    for version in (2, 3, 4):
        store.entries["p"] = tags(version)  # a worker stores it, and has produced only the one before
        comparison.take(topic.log[-1:])
        assert comparison.look_again() == 1
        topic.append(tags(version))
    comparison.take(topic.log[-1:])

    assert comparison.look_again() == 0
    assert sum(finding.count for finding in comparison.findings.values()) == 0


def test_a_product_that_is_stored_before_its_first_record_comes_is_not_reported():
    store = MemoryTagStore()
    comparison = Comparison(store, TTL_S, now=lambda: NOW_S)
    store.entries["p"] = tags(1)

    assert comparison.take_stored([["p"]]) == 1
    assert comparison.look_again() == 1
    comparison.take(records(tags(1)))
    assert comparison.look_again() == 0
    assert sum(finding.count for finding in comparison.findings.values()) == 0


def test_a_record_that_never_comes_is_a_finding_only_at_the_second_look():
    store = MemoryTagStore()
    comparison = Comparison(store, TTL_S, now=lambda: NOW_S)
    comparison.take(records(tags(1)))
    store.entries["p"] = tags(2)
    comparison.take(records(tags(1)))

    assert comparison.look_again() == 1
    assert comparison.findings[Disagreement.NEWER].count == 0
    assert comparison.look_again() == 0
    assert comparison.findings[Disagreement.NEWER].count == 1


def test_a_comparison_that_finds_too_much_ends_with_what_it_found(monkeypatch):
    monkeypatch.setattr("hangtag.write.comparison._MANY", 3)
    store, topic = MemoryTagStore(), Topic()
    for number in range(4):
        topic.append(Update(f"p{number}", 1, TagSet((), ()), BUNDLES[0]).entry())
    store.entries["p0"] = Update("p0", 1, TagSet((), ()), BUNDLES[0]).entry()
    comparison = Comparison(store, TTL_S, now=lambda: NOW_S)

    for count, record in enumerate(topic.log):
        assert comparison.has_enough == (count > 3)
        comparison.take([record])
    assert comparison.has_enough
    store.entries["p3"] = Update("p3", 1, TagSet((), ()), BUNDLES[0]).entry()
    comparison.conclude()

    assert comparison.findings[Disagreement.MISSING].count == 2
    assert sum(finding.count for finding in comparison.findings.values()) == 2


def test_what_a_rebuild_leaves_agrees_whatever_happened_before():
    for seed in range(200):
        race = Race(seed, 0.3)
        race.run_and_flush()
        race.rebuild()
        comparison = Comparison(race.store, TTL_S, now=lambda: 0.0)
        comparison.take(race.topic.log)
        comparison.take_stored([list(race.store.entries)])
        comparison.look_again()
        comparison.look_again()

        assert {kind: each for kind, each in comparison.findings.items() if each.count} == {}, seed
