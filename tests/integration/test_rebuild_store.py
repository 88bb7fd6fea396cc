"""How far a rebuild has come, kept in a real store: it is true after every loss that keeps the order of commands."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from hangtag.cli.local import start_valkey
from hangtag.settings import RedisSettings
from hangtag.store import Outcome, RebuildStore, RedisTagStore, StoreError, StoreMismatchError, StoreWentBackError
from hangtag.workers.retrying_store import RetryingStore
from tests.store_behaviour import tags

TOPIC = "topic-1"


@pytest.fixture
def client(redis_settings: RedisSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield client


@pytest.fixture
def begun(redis_settings: RedisSettings) -> Iterator[RebuildStore]:
    store = RebuildStore(redis_settings)
    assert store.begin(TOPIC, [0, 1]) == {}
    yield store
    store.close()


def begin_again(config: RedisSettings, topic: str = TOPIC, *, from_start: bool = False) -> dict[int, int]:
    store = RebuildStore(config)
    try:
        return store.begin(topic, [0, 1], from_start=from_start)
    finally:
        store.close()


def test_progress_is_saved_with_the_next_write(begun: RebuildStore, redis_settings: RedisSettings) -> None:
    begun.write([tags(1)])
    begun.note({0: 10, 1: 5})
    assert begin_again(redis_settings) == {}

    store = RebuildStore(redis_settings)
    store.begin(TOPIC, [0, 1])
    store.write([tags(1)])
    store.note({0: 10, 1: 5})
    store.write([tags(2)])
    store.close()

    assert begin_again(redis_settings) == {0: 10, 1: 5}
    assert begin_again(redis_settings) == {0: 10, 1: 5}, "beginning again forgets nothing"


def test_another_topic_and_from_start_begin_with_the_first_record(
    begun: RebuildStore, redis_settings: RedisSettings
) -> None:
    begun.note({0: 10})
    begun.save()
    assert begin_again(redis_settings, "made again") == {}
    assert begin_again(redis_settings) == {}, "progress in another topic is forgotten"

    store = RebuildStore(redis_settings)
    store.begin(TOPIC, [0, 1])
    store.note({0: 10})
    store.save()
    store.close()
    assert begin_again(redis_settings, from_start=True) == {}


def test_progress_older_than_deletions_are_kept_does_not_count(
    begun: RebuildStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    """The topic may have forgotten deletions of products that the first part of the rebuild restored."""
    begun.note({0: 10})
    begun.save()
    long_ago = time.time_ns() // 1_000_000 - redis_settings.deleted_ttl_s * 1_000 - 1

    client.hset("ht:rebuild", "begun", long_ago)

    assert begin_again(redis_settings) == {}


def test_the_end_removes_the_progress(begun: RebuildStore, client: redis.Redis) -> None:
    begun.note({0: 10})
    begun.write([tags(1)])

    begun.end()

    assert not client.exists("ht:rebuild")
    assert client.hget("ht:meta", "rebuilt").decode() == begun.identity


@pytest.mark.parametrize("step", ["write", "save", "end"])
def test_a_flush_is_noticed_with_the_next_step(
    begun: RebuildStore, redis_settings: RedisSettings, client: redis.Redis, step: str
) -> None:
    begun.write([tags(1)])
    client.flushdb()
    RedisTagStore(redis_settings).write([tags(5, product="of a worker")])

    with pytest.raises(StoreWentBackError, match="flushed"):
        begun.write([tags(2)]) if step == "write" else getattr(begun, step)()

    assert not client.hexists("ht:meta", "rebuilt")


def test_a_store_that_lost_the_last_writes_is_noticed_and_its_older_progress_is_true(
    begun: RebuildStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    """What a failover to a replica that was behind leaves: everything up to some command, and nothing after it."""
    begun.write([tags(1)])
    begun.note({0: 1})
    begun.write([tags(1, product="q")])
    older = {key: client.dump(key) for key in client.scan_iter()}
    begun.note({0: 2})
    begun.write([tags(1, product="r")])
    client.flushdb()
    for key, value in older.items():
        client.restore(key, 0, value)

    with pytest.raises(StoreWentBackError, match="failed over"):
        begun.write([tags(1, product="s")])

    assert begun.begin(TOPIC, [0, 1]) == {0: 1}
    assert begun.read(["p"]) == [tags(1)], "the record below the offset is there"


def test_a_second_rebuild_stops_the_first(begun: RebuildStore, redis_settings: RedisSettings) -> None:
    second = RebuildStore(redis_settings)
    second.begin(TOPIC, [0, 1])
    second.write([tags(1)])

    with pytest.raises(StoreMismatchError, match="another `hangtag rebuild`") as caught:
        begun.write([tags(2)])

    assert not isinstance(caught.value, StoreWentBackError)
    second.write([tags(3)])
    second.close()


def test_forgotten_scripts_are_loaded_again(begun: RebuildStore, client: redis.Redis) -> None:
    for step in (1, 2):
        client.script_flush()
        begun.note({0: step})
        assert [reply.outcome for reply in begun.write([tags(step)])] in ([Outcome.WRITTEN], [Outcome.SAME])
    client.script_flush()
    begun.end()


def test_a_try_whose_reply_was_lost_is_repeated(
    begun: RebuildStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, lost = begun._exchange.ask, []

    def answered_once_without_reply(commands):
        replies = ask(commands)
        if not lost:
            lost.append(replies)
            msg = "the reply was lost"
            raise StoreError(msg)
        return replies

    monkeypatch.setattr(begun._exchange, "ask", answered_once_without_reply)
    retrying = RetryingStore(begun, 10, threading.Event())

    assert [reply.outcome for reply in retrying.write([tags(1)])] == [Outcome.SAME]
    assert client.hget("ht:rebuild", "step") == b"1"
    begun.end()


def test_a_restart_that_lost_the_data_is_noticed(tmp_path: Path) -> None:
    with start_valkey(tmp_path) as valkey:
        store = RebuildStore(RedisSettings(url=valkey.url))
        store.begin(TOPIC, [0, 1])
        store.write([tags(1)])
    again = start_valkey(tmp_path, {"port": str(valkey.port)})
    try:
        with pytest.raises(StoreWentBackError):
            RetryingStore(store, 20, threading.Event()).write([tags(2)])

        assert store.begin(TOPIC, [0, 1]) == {}
    finally:
        again.stop()
        store.close()
