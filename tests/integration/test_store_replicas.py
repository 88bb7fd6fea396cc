"""Look-ups from replicas, on real pairs of Valkey processes: the time in a reply is one for which it is complete."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from hangtag.cli.local import start_valkey
from hangtag.settings import RedisSettings
from hangtag.store import Found, RedisTagReader, RedisTagStore, StoreMismatchError
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import SystemClock
from tests.cluster import until
from tests.forwarder import Forwarder, forwarding
from tests.store_behaviour import tags


@dataclass
class Pair:
    """A primary with a replica behind a link that a test may stall."""

    primary: redis.Redis
    replica: redis.Redis
    replica_port: int
    link: Forwarder
    settings: RedisSettings

    def reads(self, of: redis.Redis) -> int:
        """How many look-ups a server has answered."""
        return int(of.info("commandstats").get("cmdstat_mget", {}).get("calls", 0))

    def replica_answers(self, reader: RedisTagReader) -> bool:
        """Look something up; True if the primary was not asked for it."""
        before = self.reads(self.primary)
        reader.read(["p"], primary=False)
        return self.reads(self.primary) == before

    def attach(self, link: Forwarder) -> None:
        """Let the replica follow the server at the end of a link, and wait until it does."""
        self.replica.replicaof("127.0.0.1", str(link.port))
        until(lambda: self.replica.info("replication")["master_link_status"] == "up")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    options = {"repl-diskless-sync-delay": "0"}
    folders = [tmp_path_factory.mktemp(name) for name in ("primary", "replica")]
    with start_valkey(folders[0], options) as primary, start_valkey(folders[1], options) as replica:
        yield primary.port, replica.port


@pytest.fixture
def pair(servers: tuple[int, int]) -> Iterator[Pair]:
    config = RedisSettings(
        url=f"redis://127.0.0.1:{servers[0]}/0",
        read_from="replica",
        replicas=f"127.0.0.1:{servers[1]}",
        replica_lag_ms=1_000,
    )
    with (
        redis.Redis(port=servers[0]) as primary,
        redis.Redis(port=servers[1]) as replica,
        forwarding(servers[0]) as link,
    ):
        primary.replicaof("NO", "ONE")
        primary.flushall()
        pair = Pair(primary, replica, servers[1], link, config)
        pair.attach(pair.link)
        for each in (primary, replica):
            each.config_resetstat()
        yield pair
        replica.replicaof("NO", "ONE")


@pytest.fixture
def store(pair: Pair) -> Iterator[RedisTagStore]:
    with contextlib.closing(RedisTagStore(pair.settings)) as store:
        yield store


@pytest.fixture
def reader(pair: Pair) -> Iterator[RedisTagReader]:
    with contextlib.closing(RedisTagReader(pair.settings)) as reader:
        yield reader


def answered_by_replicas() -> float:
    return metrics.SERVER.get_sample_value("hangtag_replica_reads_total", {"answer": "replica"}) or 0


def version(found: Found) -> int | None:
    return found.stored[0].version


def test_a_replica_answers_and_the_time_is_when_the_primary_was_asked(
    pair: Pair, store: RedisTagStore, reader: RedisTagReader
) -> None:
    store.write([tags(1)])
    began_ms = SystemClock().wall_ms()
    until(lambda: pair.replica_answers(reader))

    before = pair.reads(pair.primary)
    answered = answered_by_replicas()
    found = reader.read(["p", "q"], primary=False)

    assert [stored.version for stored in found.stored] == [1, None]
    assert began_ms <= found.as_of_ms <= SystemClock().wall_ms()
    assert pair.reads(pair.primary) == before
    assert answered_by_replicas() == answered + 1
    reader.read(["p"])
    assert pair.reads(pair.primary) == before + 1


def test_the_time_is_never_one_for_which_the_replica_lacks_a_write(
    pair: Pair, store: RedisTagStore, reader: RedisTagReader
) -> None:
    stored_ms: list[int] = []
    behind = 0
    for newest in range(1, 401):
        if newest % 40 == 1:
            pair.link.stall()
        if newest % 40 == 21:
            pair.link.flow()
        store.write([tags(newest)])
        stored_ms.append(SystemClock().wall_ms())
        time.sleep(0.005)
        found = reader.read(["p"], primary=False)
        missing = stored_ms[version(found) or 0 :]
        behind += bool(missing)
        assert all(each >= found.as_of_ms for each in missing)

    assert behind > 0


def test_the_primary_is_asked_if_the_replica_is_too_far_behind(
    pair: Pair, store: RedisTagStore, reader: RedisTagReader
) -> None:
    store.write([tags(1)])
    until(lambda: pair.replica_answers(reader))
    pair.link.stall()
    store.write([tags(2)])

    until(lambda: version(reader.read(["p"], primary=False)) == 2)
    pair.link.flow()
    until(lambda: pair.replica_answers(reader))


@pytest.mark.parametrize("is_silent", [False, True], ids=["gone", "silent"])
def test_the_primary_is_asked_if_the_replica_does_not_answer(pair: Pair, store: RedisTagStore, is_silent: bool) -> None:
    store.write([tags(1)])
    with forwarding(pair.replica_port) as way:
        changed = {"replicas": f"127.0.0.1:{way.port}", "timeout_ms": 200}
        reader = RedisTagReader(pair.settings.model_copy(update=changed))
        until(lambda: pair.replica_answers(reader))
        if is_silent:
            way.stall()
        else:
            way.close()

        assert version(reader.read(["p"], primary=False)) == 1
        assert version(reader.read(["p"], primary=False)) == 1
        reader.close()


def test_a_replica_that_became_a_primary_of_its_own_is_not_asked(
    pair: Pair, store: RedisTagStore, reader: RedisTagReader
) -> None:
    store.write([tags(1)])
    until(lambda: pair.replica_answers(reader))
    pair.replica.replicaof("NO", "ONE")
    store.write([tags(2)])

    assert {version(reader.read(["p"], primary=False)) for _ in range(50)} == {2}

    pair.attach(pair.link)
    until(lambda: pair.replica_answers(reader))


def test_a_replica_of_another_primary_is_not_asked(
    pair: Pair, store: RedisTagStore, reader: RedisTagReader, tmp_path: Path
) -> None:
    store.write([tags(2)])
    until(lambda: pair.replica_answers(reader))
    with start_valkey(tmp_path, {"repl-diskless-sync-delay": "0"}) as another, forwarding(another.port) as link:
        with contextlib.closing(RedisTagStore(RedisSettings(url=another.url))) as other:
            other.write([tags(1)])
            pair.attach(link)
            # Its history is longer than that of the primary.
            other.write([tags(1, product=f"product-{number}") for number in range(1_000)])

        assert {version(reader.read(["p"], primary=False)) for _ in range(50)} == {2}
        time.sleep(0.3)  # not left out any more
        assert {version(reader.read(["p"], primary=False)) for _ in range(50)} == {2}

    pair.attach(pair.link)
    until(lambda: pair.replica_answers(reader))


def test_look_ups_that_ask_the_primary_never_reach_a_replica(
    pair: Pair, store: RedisTagStore, reader: RedisTagReader
) -> None:
    store.write([tags(1)])

    assert {version(reader.read(["p"])) for _ in range(5)} == {1}
    assert pair.reads(pair.replica) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "there are none; list them in HANGTAG_REDIS__REPLICAS, as host:port"),
        ({"url": "unix:///run/cache.sock", "replicas": "b:6379"}, "needs HANGTAG_REDIS__URL with host and port"),
        ({"url": "redis://a:6379,b:6379", "replicas": "b:6379"}, "a cluster names its replicas itself"),
    ],
)
def test_replicas_that_cannot_be_used_are_refused_at_once(changed: dict[str, str], message: str) -> None:
    with pytest.raises(StoreMismatchError, match=message):
        RedisTagReader(RedisSettings(**{"read_from": "replica", **changed}))
