"""Nothing is computed twice: the same text, language and bundle get the tags that they got before."""

from dataclasses import replace

import pytest

from hangtag.records import decode_tags
from hangtag.store import Entry
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.release import Release
from hangtag.tags.decisions import Decision
from hangtag.telemetry import metrics
from hangtag.write import Update
from tests.unit.worker_parts import FakeTagger, House, event, store_down


def reused(source: str) -> float:
    found = metrics.WORKER.get_sample_value("hangtag_reused_tags_total", {"source": source})
    assert found is not None
    return found


def sent(house: House, *events: dict) -> None:
    for each in events:
        house.source.append(each, each["product"]["product_id"].encode())
    house.steps()


def titles(house: House) -> list[int]:
    """How many texts the engine has got so far, batch by batch."""
    return house.tagger.batches


def tags_of(entry: Entry) -> list[str]:
    return [each.tag for each in decode_tags(entry.payload).tags.tags]


def test_a_catalogue_that_is_sent_again_only_moves_its_versions() -> None:
    house = House()
    catalogue = [event(f"p{number}", 1, f"shoe {number}") for number in range(10_000)]
    for each in catalogue:
        house.source.append(each, None)
    while len(house.store.entries) < 10_000:
        house.worker.step()
    house.steps()
    before, batches, counted = dict(house.store.entries), len(titles(house)), reused("store")
    assert sum(titles(house)) == 10_000

    for each in catalogue:
        house.source.append({**each, "product": {**each["product"], "version": 2}}, None)
    while min(house.versions().values()) < 2:
        house.worker.step()
    house.steps()

    assert len(titles(house)) == batches
    assert reused("store") - counted == 10_000
    assert house.committed() == 20_000
    for product, old in before.items():
        new = house.store.entries[product]
        was, now = decode_tags(old.payload), decode_tags(new.payload)
        assert now == replace(was, version=2)
        assert new == replace(old, version=2, payload=new.payload)
    assert len(house.sink.tags) == 20_000
    assert {headers["hangtag.version"] for headers in house.sink.headers[10_000:]} == {"2"}


@pytest.mark.parametrize(
    "change", [{"title": "hat"}, {"description": "of straw"}, {"language": "de"}, {"merchant_category": "hats"}]
)
def test_another_text_or_language_is_tagged_again(change: dict) -> None:
    house = House()
    sent(house, event("p1", 1, "shoe"))
    changed = event("p1", 2, "shoe")
    changed["product"] |= change

    sent(house, changed)

    assert titles(house) == [1, 1]
    assert house.versions() == {"p1": 2}


def test_another_bundle_tags_again() -> None:
    house = House()
    sent(house, event("p1", 1))
    house.in_use = TaggerInUse(FakeTagger(version="b" * 64))
    house.restart()

    sent(house, event("p1", 2))

    assert titles(house) == [1]
    assert decode_tags(house.store.entries["p1"].payload).bundle_version == "b" * 64


def test_a_product_that_people_have_decided_about_keeps_their_decisions() -> None:
    house = House()
    sent(house, event("p1", 1, "shoe"))
    update = Update.of(house.store.entries["p1"])
    house.store.write([update.entry([Decision("word:shoe", False), Decision("word:boot", True)], revision=7)])

    sent(house, event("p1", 2, "shoe"))

    stored = house.store.entries["p1"]
    assert (stored.version, stored.revision, tags_of(stored)) == (2, 7, ["word:boot"])


def test_a_decision_that_comes_meanwhile_is_applied() -> None:
    house = House(held=True)
    for version in (1, 2):
        house.source.append(event("p1", version, "shoe"), None)
        house.worker.step()
        while house.threads.encode.calls:
            house.threads.encode.run_next()
        for _ in range(5):
            house.worker.step()
            while house.threads.forward.calls:
                house.threads.forward.run_next()
            if version == 1:
                while house.threads.write.calls:
                    house.threads.write.run_next()
    update = Update.of(house.store.entries["p1"])
    house.store.write([update.entry([Decision("word:shoe", False)], revision=7)])

    for _ in range(9):
        house.worker.step()
        while house.threads.write.calls:
            house.threads.write.run_next()

    stored = house.store.entries["p1"]
    assert (stored.version, stored.revision, tags_of(stored)) == (2, 7, [])
    assert titles(house) == [1]


def test_a_deleted_product_that_is_listed_again_is_tagged() -> None:
    house = House()
    sent(house, event("p1", 1))
    sent(house, event("p1", 2, kind="DELETED"))

    sent(house, event("p1", 3))

    assert titles(house) == [1, 1]
    assert tags_of(house.store.entries["p1"]) == ["word:shoe"]


def test_an_older_version_of_the_same_text_changes_nothing() -> None:
    house = House()
    sent(house, event("p1", 5))
    before = dict(house.store.entries)

    sent(house, event("p1", 3))

    assert house.store.entries == before
    assert titles(house) == [1]
    assert house.committed() == 2


def test_without_an_answer_of_the_store_the_text_is_tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    sent(house, event("p1", 1))

    def away(_: object) -> None:
        raise store_down()

    with monkeypatch.context() as context:
        context.setattr(house.store, "read", away)
        house.source.append(event("p1", 2), None)
        house.worker.step()
    house.steps()

    assert titles(house) == [1, 1]
    assert house.versions() == {"p1": 2}


def test_products_with_one_text_are_tagged_once() -> None:
    house = House()
    counted = reused("batch")

    sent(house, *(event(f"p{number}", 1, "shoe" if number % 2 else "hat") for number in range(20)))

    assert titles(house) == [2]
    assert reused("batch") - counted == 18
    for number in range(20):
        assert tags_of(house.store.entries[f"p{number}"]) == ["word:shoe" if number % 2 else "word:hat"]


@pytest.mark.parametrize(("title", "stage"), [("poison", "forward"), ("untokenisable", "encode")])
def test_each_product_with_a_text_that_fails_becomes_a_dead_letter(title: str, stage: str) -> None:
    house = House()

    sent(house, *(event(f"p{number}", 1, title if number < 3 else "shoe") for number in range(6)))

    assert sorted(house.versions()) == ["p3", "p4", "p5"]
    assert [reason.stage for _, reason in house.sink.dead] == [stage] * 3
    assert house.committed() == 6


def test_a_later_release_of_the_same_bundle_moves_what_is_stored_to_its_sequence() -> None:
    house = House()
    sent(house, event("p1", 1))
    house.in_use.current = Release(house.tagger, sequence=3)

    sent(house, event("p1", 1), event("p1", 2))

    assert titles(house) == [1]
    assert house.store.entries["p1"].rank == (2, False, 3, 0)
    assert house.sink.headers[-1]["hangtag.sequence"] == "3"


@pytest.mark.parametrize("sequence", [0, 4], ids=["before a change of blocked tags", "of a later release"])
def test_tags_that_this_release_would_not_give_are_not_reused(sequence: int) -> None:
    house = House()
    house.in_use.current = Release(house.tagger, sequence)
    sent(house, event("p1", 1))
    house.in_use.current = Release(house.tagger, sequence=3, blocked_sequence=2)

    sent(house, event("p1", 2))

    assert titles(house) == [1, 1]
    assert house.store.entries["p1"].rank == (2, False, 3, 0)


def test_what_one_release_has_encoded_is_written_as_its_own() -> None:
    house = House(held=True)
    old, new = Release(house.tagger, sequence=1), Release(FakeTagger("b" * 64), sequence=2)
    house.in_use.current = old
    sent(house, event("p1", 1))
    while house.threads.encode.calls:
        house.threads.encode.run_next()
    house.in_use.current = new
    while not house.store.entries:
        house.worker.step()
        for thread in (house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()

    stored = house.store.entries["p1"]
    assert (decode_tags(stored.payload).bundle_version, stored.sequence) == ("a" * 64, 1)
    assert (tags_of(stored), old.tagger.batches, new.tagger.batches) == (["word:shoe"], [1], [])


def test_a_bundle_that_was_not_promoted_never_replaces_a_promoted_one_s_tags_of_the_same_version() -> None:
    house = House()
    house.in_use.current = Release(FakeTagger("b" * 64), sequence=2)
    sent(house, event("p1", 1))
    house.in_use.current = Release(FakeTagger("a" * 64))

    sent(house, event("p1", 1))
    assert house.store.entries["p1"].rank == (1, False, 2, 0)

    sent(house, event("p1", 2))
    assert house.store.entries["p1"].rank == (2, False, 0, 0)
