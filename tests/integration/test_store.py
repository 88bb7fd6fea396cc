"""The store on a real Valkey."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hangtag.settings import RedisSettings
from hangtag.store import (
    Arrival,
    BatchProgress,
    Outcome,
    PartitionProgress,
    ProgressReader,
    RebuildStore,
    RedisTagReader,
    RedisTagStore,
    Reply,
    Seen,
    Stored,
    StoreMismatchError,
    StoreState,
    TagStore,
)
from hangtag.store.keys import product_key, seen_key
from hangtag.store.scripts import SEE, WRITE
from hangtag.store.value import unpack_mark
from hangtag.text.limits import MAX_VERSION
from tests.mark_behaviour import MarkBehaviour, SeenOf
from tests.spoiled_values import SPOILED
from tests.store_behaviour import BIG, TagStoreBehaviour, deletion, tags


@pytest.fixture
def store(redis_settings: RedisSettings) -> Iterator[RedisTagStore]:
    store = RedisTagStore(redis_settings)
    yield store
    store.close()


@pytest.fixture
def client(redis_settings: RedisSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield client


def read(config: RedisSettings, ids: Sequence[str]) -> list[Stored]:
    with closing(RedisTagReader(config)) as reader:
        return reader.read(ids).stored


def state(config: RedisSettings) -> StoreState:
    with closing(RedisTagReader(config)) as reader:
        return reader.check()


def rebuild(config: RedisSettings) -> None:
    """A rebuild from an empty topic."""
    store = RebuildStore(config)
    store.begin("topic", [])
    store.end()
    store.close()


class TestRedisTagStore(TagStoreBehaviour, MarkBehaviour):
    @pytest.fixture
    def new_store(self, redis_settings: RedisSettings) -> Iterator[Callable[[], TagStore]]:
        opened: list[RedisTagStore] = []

        def empty_store() -> RedisTagStore:
            with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
                client.flushdb()
            opened.append(RedisTagStore(redis_settings))
            return opened[-1]

        yield empty_store
        for store in opened:
            store.close()

    @pytest.fixture
    def seen_of(self, client: redis.Redis) -> SeenOf:
        return lambda _, product: unpack_mark(client.get(seen_key(product, RedisSettings().buckets)))


def test_written_is_read(store: RedisTagStore, redis_settings: RedisSettings) -> None:
    assert store.write([tags(3)]) == [Reply(Outcome.WRITTEN)]
    store.mark_seen([Arrival("p", 4), Arrival("new", 1)])

    stored, new, never, again = read(redis_settings, ["p", "new", "never", "p"])

    assert stored == again == Stored(tags(3).payload, 3, Seen(4))
    assert new == Stored(b"", None, Seen(1))
    assert never == Stored(b"", None, None)


def test_nothing_to_do_is_no_call() -> None:
    store = RedisTagStore(RedisSettings(url="redis://127.0.0.1:1/0"))

    assert store.write([]) == []
    assert store.read([]) == []
    store.mark_seen([])


# Few values, close together and on both sides of 2^53, so that repeats and neighbours are common.
histories = st.lists(st.sampled_from([0, 1, 2, 254, 255, 256, BIG - 1, BIG, BIG + 1, MAX_VERSION]), max_size=12)


@given(one=histories, other=histories, cuts=st.lists(st.integers(1, 4), max_size=12), flush=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_interleaving_of_two_writers_ends_with_the_newest(
    redis_settings: RedisSettings,
    client: redis.Redis,
    one: list[int],
    other: list[int],
    cuts: list[int],
    flush: bool,
) -> None:
    client.flushdb()
    writers = [RedisTagStore(redis_settings), RedisTagStore(redis_settings)]
    left = [list(one), list(other)]
    for turn, cut in enumerate([*cuts, 12, 12]):
        batch, left[turn % 2] = left[turn % 2][:cut], left[turn % 2][cut:]
        writers[turn % 2].mark_seen([Arrival("p", version) for version in batch])
        writers[turn % 2].write([tags(version) for version in batch])
        if flush and turn == 2:
            client.script_flush()
    # The last two turns take all that is left of both writers.
    assert not any(left)
    (stored,) = read(redis_settings, ["p"])
    newest = max([*one, *other], default=None)
    assert (stored.version, stored.seen) == (newest, None)
    if newest is not None:
        assert stored.payload == tags(newest).payload
    for writer in writers:
        writer.close()


def test_writers_that_race_end_with_the_newest(redis_settings: RedisSettings) -> None:
    ids = [f"p{i}" for i in range(20)]
    starts = threading.Barrier(3)

    def work(offset: int) -> None:
        store = RedisTagStore(redis_settings)
        starts.wait()
        for step in range(40):
            version = BIG + (step * 7 + offset) % 120
            store.write([tags(version, product=product) for product in ids])
        store.close()

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    newest = max(BIG + (step * 7 + offset) % 120 for step in range(40) for offset in (0, 1, 2))
    assert {stored.version for stored in read(redis_settings, ids)} == {newest}


def test_flushed_scripts_are_loaded_again(store: RedisTagStore, client: redis.Redis) -> None:
    store.mark_seen([Arrival("p", 1)])
    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]

    client.script_flush()

    store.mark_seen([Arrival("p", 2)])
    assert store.write([tags(2), tags(1), tags(2)]) == [
        Reply(Outcome.WRITTEN),
        Reply(Outcome.OLDER),
        Reply(Outcome.SAME),
    ]
    assert client.script_exists(WRITE.sha, SEE.sha) == [True, True]


def test_a_mark_lives_for_a_while_and_the_same_version_prolongs_that(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    store.mark_seen([Arrival("p", BIG + 1), Arrival("p", BIG), Arrival("p", 5)])

    assert read(redis_settings, ["p"])[0].seen == Seen(BIG + 1)
    (key,) = client.keys("ht:seen:*")
    assert 0 < client.ttl(key) <= redis_settings.seen_ttl_s
    client.expire(key, 5)
    store.mark_seen([Arrival("p", 5)])
    assert client.ttl(key) <= 5
    store.mark_seen([Arrival("p", BIG + 1)])
    assert client.ttl(key) > 5


def test_that_a_version_was_refused_is_not_forgotten_with_time_until_a_newer_one_is_stored(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    store.mark_seen([Arrival("p", 5, 0, 7)])
    store.mark_refused([Arrival("p", 5, 0, 7)])
    (key,) = client.keys("ht:seen:*")
    assert client.ttl(key) == -1
    store.write([tags(4)])
    store.mark_seen([Arrival("p", 5, 0, 7), Arrival("p", 7, 0, 9)])
    assert client.ttl(key) == -1
    assert read(redis_settings, ["p"])[0].seen == Seen(7, 5, 0, 9)

    store.write([tags(6)])
    assert read(redis_settings, ["p"])[0].seen == Seen(7, 0, 0, 9)
    assert 0 < client.ttl(key) <= redis_settings.seen_ttl_s
    store.write([tags(7)])
    assert client.keys("ht:seen:*") == []


def test_a_mark_of_an_earlier_release_is_a_version_without_a_place(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    key = seen_key("p", redis_settings.buckets)
    client.set(key, (5).to_bytes(8, "big"), ex=100)
    assert read(redis_settings, ["p"])[0].seen == Seen(5)

    store.mark_seen([Arrival("p", 4, 1, 2)])
    assert read(redis_settings, ["p"])[0].seen == Seen(5)
    store.mark_refused([Arrival("p", 5, 1, 3)])
    assert read(redis_settings, ["p"])[0].seen == Seen(5, 5, 1, 3)
    client.set(key, (5).to_bytes(8, "big"), ex=100)
    store.write([tags(5)])
    assert client.get(key) is None


def test_the_progress_of_workers_is_read_by_partition_and_the_newest_counts(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    one = PartitionProgress(3, 5, 9, 2, 1, 7.5, (BatchProgress.of(0.5, [3], 3),), "one", 1_700_000_000_000)
    other = one._replace(worker="other", next_offset=7)
    with closing(ProgressReader(redis_settings)) as reader:
        assert reader.read() == {}
        store.publish({})
        store.publish({0: one, 12: one})
        store.publish({12: other})
        client.hset("ht:progress", mapping={"13": "of another program", "x": "y"})

        assert reader.read() == {0: one, 12: other}


def test_deletion_expires_and_new_tags_do_not(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    store.write([tags(1), deletion(2)])
    (key,) = client.keys("ht:p:*")
    assert 0 < client.ttl(key) <= redis_settings.deleted_ttl_s
    found = read(redis_settings, ["p"])[0]
    assert (found.version, found.payload) == (2, b"")  # the deletion

    store.write([tags(3)])
    assert client.ttl(key) == -1


def test_a_value_of_unknown_format_is_replaced(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    store.write([tags(9)])
    (key,) = client.keys("ht:p:*")
    client.set(key, b"cut short")

    assert read(redis_settings, ["p"])[0].version is None
    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
    assert read(redis_settings, ["p"])[0].version == 1


@pytest.mark.parametrize("value", SPOILED)
def test_a_value_that_no_program_of_this_format_wrote_is_replaced(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis, value: bytes
) -> None:
    store.write([tags(9)])
    (key,) = client.keys("ht:p:*")
    client.set(key, value)

    assert read(redis_settings, ["p"])[0].version is None
    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
    assert store.read(["p"]) == [tags(1)]


def test_version_that_does_not_fit_marks_nothing(store: RedisTagStore, client: redis.Redis) -> None:
    with pytest.raises(ValueError, match="outside 0"):
        store.mark_seen([Arrival("p", 1), Arrival("q", -1)])

    assert client.keys("ht:seen:*") == []


def test_bucket_count_is_fixed_by_the_first_writer(store: RedisTagStore, redis_settings: RedisSettings) -> None:
    store.check()
    other = redis_settings.model_copy(update={"buckets": 32})

    with pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__BUCKETS=64"):
        RedisTagStore(other).write([tags(1)])
    with pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__BUCKETS=64"):
        read(other, ["p"])
    assert read(redis_settings, ["p"])[0].version is None


def test_reader_leaves_an_empty_store_alone(redis_settings: RedisSettings, client: redis.Redis) -> None:
    assert read(redis_settings, ["p"])[0].version is None
    assert client.keys() == []


def test_emptied_store_is_claimed_again(store: RedisTagStore, client: redis.Redis) -> None:
    store.write([tags(1)])
    client.flushdb()

    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
    meta = client.hgetall("ht:meta")
    assert (meta[b"format"], meta[b"buckets"]) == (b"2", b"64")
    assert meta[b"identity"].decode() == store.identity


def test_a_loss_noticed_by_a_running_writer_is_recorded_until_a_rebuild_ends(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    store.write([tags(1)])
    assert store.check().emptied_ms is None
    client.flushdb()

    store.write([tags(1)])

    assert store.check().emptied_ms is not None
    assert state(redis_settings).emptied_ms is not None
    rebuild(redis_settings)
    assert state(redis_settings).emptied_ms is None


def test_a_loss_between_two_writers_is_recorded(redis_settings: RedisSettings, client: redis.Redis) -> None:
    """The identity in the committed offsets shows it to a worker that starts later."""
    first = RedisTagStore(redis_settings)
    first.write([tags(1)])
    first.close()
    second = RedisTagStore(redis_settings)
    second.expect([first.identity])
    assert second.check().emptied_ms is None
    client.flushdb()

    third = RedisTagStore(redis_settings)
    third.expect([first.identity])

    assert third.check().emptied_ms is not None
    rebuild(redis_settings)
    third.expect([first.identity])
    assert third.check().emptied_ms is None, "offsets that were committed before the rebuild have the old identity"
    for each in (second, third):
        each.close()


def test_a_store_of_format_1_names_the_command_that_converts_it(
    store: RedisTagStore, redis_settings: RedisSettings, client: redis.Redis
) -> None:
    client.hset("ht:meta", mapping={"format": 1, "buckets": 64})
    client.set(product_key("p", 64), b"\x01" + (9).to_bytes(8, "big") + b"12345678" + b"old")

    with pytest.raises(StoreMismatchError, match="hangtag rebuild"):
        store.write([tags(1)])
    with pytest.raises(StoreMismatchError, match="hangtag rebuild"):
        read(redis_settings, ["p"])

    rebuild(redis_settings)
    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
    assert store.read(["p"]) == [tags(1)]


def test_store_claimed_by_another_meanwhile_is_noticed(store: RedisTagStore, client: redis.Redis) -> None:
    store.write([tags(1)])
    client.hset("ht:meta", "buckets", 16)

    with pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__BUCKETS=16"):
        store.write([tags(2)])
