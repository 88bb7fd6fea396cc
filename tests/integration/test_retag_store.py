"""The store as `hangtag retag` writes it, and texts in the store, with a real Valkey."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import redis

from hangtag.settings import RedisSettings
from hangtag.store import (
    Entry,
    Former,
    Outcome,
    RedisTagStore,
    RetagRun,
    RetagStore,
    StoredText,
    StoreMismatchError,
    TextStore,
)
from tests.store_behaviour import NEW_BUNDLE, deletion, tags

RUN_ID = "0123456789abcdef"
RUN = RetagRun(RUN_ID, {"topic": "products.texts"}, NEW_BUNDLE, 1, 1)


@pytest.fixture
def worker(redis_settings: RedisSettings) -> Iterator[RedisTagStore]:
    with closing(RedisTagStore(redis_settings)) as store:
        yield store


@pytest.fixture
def retag(redis_settings: RedisSettings) -> Iterator[RetagStore]:
    with closing(RetagStore(redis_settings, RUN_ID)) as store:
        yield store


@pytest.fixture
def client(redis_settings: RedisSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield client


def new(version: int = 3) -> Entry:
    return tags(version, NEW_BUNDLE, sequence=1)


def formers(store: RetagStore) -> list[Former]:
    return [former for found in store.formers() for former in found]


@pytest.mark.parametrize("held", [None, deletion(3), deletion(2), tags(2), tags(4)])
def test_only_tags_of_the_same_version_are_replaced(
    worker: RedisTagStore, retag: RetagStore, held: Entry | None
) -> None:
    worker.write([held] if held else [])

    assert retag.write([new()])[0].outcome is Outcome.GONE

    assert retag.read(["p"]) == [held]
    assert formers(retag) == []


def test_what_is_replaced_is_kept_beside_it(worker: RedisTagStore, retag: RetagStore) -> None:
    worker.write([tags(3, revision=7)])

    assert retag.write([new()])[0].outcome is Outcome.DECIDED
    assert retag.write([replace(new(), revision=7)])[0].outcome is Outcome.WRITTEN

    assert formers(retag) == [Former(RUN_ID, tags(3, revision=7))]
    retag.drop_formers(["p"])
    assert formers(retag) == []


def test_tags_that_stay_the_same_are_not_kept_twice(worker: RedisTagStore, retag: RetagStore) -> None:
    worker.write([tags(3)])

    assert retag.write([replace(tags(3), sequence=1)])[0].outcome is Outcome.WRITTEN

    assert formers(retag) == []


def test_what_the_run_writes_again_is_no_former(worker: RedisTagStore, retag: RetagStore) -> None:
    worker.write([tags(3)])
    retag.write([new()])

    assert retag.write([replace(new(), revision=5, payload=b"decided")])[0].outcome is Outcome.WRITTEN

    assert formers(retag) == [Former(RUN_ID, tags(3))]


def test_other_writers_keep_nothing(worker: RedisTagStore, retag: RetagStore) -> None:
    worker.write([tags(3), new()])

    assert formers(retag) == []


def test_what_the_store_has_taken_and_lost_is_written_again(
    worker: RedisTagStore, retag: RetagStore, client: redis.Redis
) -> None:
    """The topic has it already, and the store must not be behind."""
    worker.write([tags(3)])
    retag.begin_batch()
    retag.write([new()])
    client.delete(*client.scan_iter("ht:p:*"))

    assert retag.write([new()])[0].outcome is Outcome.WRITTEN
    retag.begin_batch()
    client.delete(*client.scan_iter("ht:p:*"))
    assert retag.write([new()])[0].outcome is Outcome.GONE


def test_a_process_that_another_one_has_replaced_writes_no_more(
    retag: RetagStore, redis_settings: RedisSettings
) -> None:
    retag.take_over(RUN)
    retag.note_writing(["a", "b"])
    with closing(RetagStore(redis_settings, RUN_ID)) as other:
        assert other.run() == RUN
        assert other.writing() == ["a", "b"]
        other.take_over(RUN)

        with pytest.raises(StoreMismatchError, match="another `hangtag retag`"):
            retag.note(RUN)
        with pytest.raises(StoreMismatchError, match="another `hangtag retag`"):
            retag.note_writing(["c"])

        other.note(replace(RUN, positions={0: 5}, counts={"written": 5}))
        assert other.run() == replace(RUN, positions={0: 5}, counts={"written": 5})
        other.forget()
        assert (other.run(), other.writing()) == (None, [])


def test_a_store_that_was_emptied_ends_the_run(retag: RetagStore, client: redis.Redis) -> None:
    retag.take_over(RUN)
    client.flushdb()

    with pytest.raises(StoreMismatchError, match="hangtag rebuild"):
        retag.note(RUN)


def test_of_two_texts_the_newer_one_stays(redis_settings: RedisSettings, client: redis.Redis) -> None:
    with closing(TextStore(redis_settings)) as store:
        store.write([StoredText("a", 255, b"old"), StoredText("b", 1, b"b")])
        client.script_flush()
        store.write([StoredText("a", 256, b"new"), StoredText("a", 255, b"older"), StoredText("b", 1, b"")])
        store.write([StoredText("b", 1, b"late")])

        assert store.read(["a", "b", "never"]) == [b"new", None, None]
        assert 0 < client.ttl(next(client.scan_iter("ht:t:*:b"))) <= redis_settings.deleted_ttl_s
