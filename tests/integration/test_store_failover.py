"""The store after a failover, on two real Valkey processes: open connections still lead to the demoted one."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from hangtag.cli.local import start_valkey
from hangtag.settings import RedisSettings
from hangtag.store import Arrival, Outcome, RedisTagReader, RedisTagStore, Reply, StoreError, StoreMismatchError
from hangtag.workers.retrying_store import RetryingStore
from tests.forwarder import Forwarder, forwarding
from tests.store_behaviour import tags


@dataclass
class Pair:
    """Two servers, and a name that leads to one of them."""

    first: redis.Redis
    second: redis.Redis
    second_port: int
    name: Forwarder

    @property
    def settings(self) -> RedisSettings:
        return RedisSettings(url=f"redis://127.0.0.1:{self.name.port}/0")

    def fail_over(self, **demoted: str) -> None:
        """Promote the second server and demote the first, which still answers and has no link to its new primary."""
        self.second.replicaof("NO", "ONE")
        for option, value in demoted.items():
            self.first.config_set(option.replace("_", "-"), value)
        self.first.replicaof("127.0.0.1", str(closed_port()))
        self.name.target = self.second_port


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    with start_valkey(folders[0]) as first, start_valkey(folders[1]) as second:
        yield first.port, second.port


@pytest.fixture
def pair(servers: tuple[int, int]) -> Iterator[Pair]:
    with (
        redis.Redis(port=servers[0]) as first,
        redis.Redis(port=servers[1]) as second,
        forwarding(servers[0]) as name,
    ):
        for each in (first, second):
            each.replicaof("NO", "ONE")
            each.config_set("replica-serve-stale-data", "yes")
            each.flushall()
        yield Pair(first, second, servers[1], name)


@pytest.mark.parametrize("serve_stale_data", ["yes", "no"])
def test_a_writer_follows_to_the_new_primary(pair: Pair, serve_stale_data: str) -> None:
    store = RedisTagStore(pair.settings)
    starts = threading.Barrier(4)

    def write() -> None:
        starts.wait()
        store.write([tags(1)])

    threads = [threading.Thread(target=write) for _ in range(4)]  # all connections of the pool
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pair.fail_over(replica_serve_stale_data=serve_stale_data)

    assert store.read(["p"]) == [None]
    store.mark_seen([Arrival("p", 2)])
    assert store.write([tags(2)]) == [Reply(Outcome.WRITTEN)]

    assert pair.second.exists("ht:meta")
    store.close()


@pytest.mark.parametrize("serve_stale_data", ["yes", "no"])
def test_a_reader_does_not_take_old_tags_from_the_demoted_server(pair: Pair, serve_stale_data: str) -> None:
    old, new = RedisTagStore(pair.settings), RedisTagStore(RedisSettings(url=f"redis://127.0.0.1:{pair.second_port}/0"))
    old.write([tags(1)])
    new.write([tags(2)])

    reader = RedisTagReader(pair.settings)

    with ThreadPoolExecutor(8) as threads:
        together = threading.Barrier(8)

        def read(_: int) -> int | None:
            together.wait()  # all connections are in use
            return reader.read(["p"]).stored[0].version

        assert set(threads.map(read, range(8))) == {1}
        pair.fail_over(replica_serve_stale_data=serve_stale_data)
        assert set(threads.map(read, range(8))) == {2}

    reader.check()
    for each in (old, new, reader):
        each.close()


def test_a_replica_is_named_and_asked_again_later(pair: Pair) -> None:
    store = RedisTagStore(pair.settings)
    store.write([tags(1)])
    pair.first.replicaof("127.0.0.1", str(closed_port()))

    reader = RedisTagReader(pair.settings)

    for call in (lambda: store.write([tags(2)]), lambda: store.read(["p"]), lambda: reader.read(["p"])):
        with pytest.raises(StoreError, match="is a replica.*set HANGTAG_REDIS__URL to the primary") as caught:
            call()
        assert not isinstance(caught.value, StoreMismatchError)

    pair.first.replicaof("NO", "ONE")
    assert store.write([tags(2)]) == [Reply(Outcome.WRITTEN)]
    assert reader.read(["p"]).stored[0].version == 2
    store.close()
    reader.close()


def test_a_store_that_loads_its_data_is_asked_again_later(tmp_path: Path) -> None:
    with start_valkey(tmp_path) as saved, redis.Redis(port=saved.port) as client:
        client.mset({f"other:{n}": b"x" * 100 for n in range(20_000)})
        client.save()
    # It needs 40 s for its keys until it is told otherwise, and answers meanwhile.
    slow = {"key-load-delay": "2000", "loading-process-events-interval-bytes": "1024"}
    loading = start_valkey(tmp_path, slow)
    try:
        store = RedisTagStore(RedisSettings(url=loading.url, timeout_ms=5_000))
        retrying = RetryingStore(store, 20, threading.Event())
        wait_for_port(loading.port)

        with pytest.raises(StoreError, match="is loading its data"):
            store.write([tags(1)])

        with redis.Redis(port=loading.port) as client:
            client.config_set("key-load-delay", "0")
        assert retrying.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
        store.close()
    finally:
        loading.stop()


def wait_for_port(port: int) -> None:
    for _ in range(1_000):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)


def test_one_address_of_a_cluster_is_refused_with_what_to_set(tmp_path: Path) -> None:
    options = {"cluster-enabled": "yes", "cluster-port": str(closed_port()), "databases": "1"}
    with start_valkey(tmp_path, options) as node:
        with redis.Redis(port=node.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        config = RedisSettings(url=node.url)
        for each in (RedisTagStore(config), RedisTagReader(config)):
            with pytest.raises(StoreMismatchError, match="is a node of a cluster; list at least two of its nodes"):
                each.check()
            each.close()
