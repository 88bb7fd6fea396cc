"""A cluster of Valkey nodes on this machine."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from hangtag.cli.local import LocalServer, free_port, start_valkey
from hangtag.settings import RedisSettings

_PRIMARIES = 3
_SLOTS = 16_384
_READY_S = 20.0
_OPTIONS = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "4000",
    "cluster-replica-validity-factor": "0",
    "cluster-require-full-coverage": "no",
    "databases": "1",
    "repl-diskless-sync-delay": "0",
}


@dataclass
class Cluster:
    """Three primaries, then a replica of each, in the same order."""

    nodes: list[LocalServer]
    clients: list[redis.Redis]

    @property
    def settings(self) -> RedisSettings:
        """Settings that list two of the nodes."""
        return RedisSettings(url=f"redis://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[4].port}/0")

    def is_complete(self) -> bool:
        """Whether every node knows who serves each slot. Without required coverage its state is "ok" before that."""
        return all(int(client.cluster("INFO")["cluster_slots_ok"]) == _SLOTS for client in self.clients)

    def kill(self, number: int) -> None:
        """Kill a node with -9."""
        os.kill(self.nodes[number].child.pid, signal.SIGKILL)

    def reads(self, number: int) -> int:
        """How many look-ups a node has answered."""
        return int(self.clients[number].info("commandstats").get("cmdstat_mget", {}).get("calls", 0))

    def owner_of(self, key: str) -> int:
        """The number of the node that serves a key."""
        slot = self.clients[0].execute_command("CLUSTER", "KEYSLOT", key)
        return int(slot) * _PRIMARIES // _SLOTS

    @contextmanager
    def moving(self, slot: int, source: int, target: int) -> Iterator[list[bytes]]:
        """The slot is moved during the block, and belongs to the target afterwards. Yields the slot's keys."""
        names = [client.execute_command("CLUSTER", "MYID").decode() for client in self.clients]
        self.clients[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        self.clients[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        yield self.clients[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10_000)
        for number in (target, source):
            self.clients[number].execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[target])

    def migrate(self, keys: list[bytes], source: int, target: int) -> None:
        """Move keys of a slot that is being moved."""
        self.clients[source].migrate("127.0.0.1", self.nodes[target].port, keys, 0, 5_000)


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster whose nodes know each other and whose replicas are complete."""
    with ExitStack() as exits:
        nodes = []
        for number in range(2 * _PRIMARIES):
            own = folder / str(number)
            own.mkdir()
            nodes.append(start_valkey(own, {**_OPTIONS, "cluster-port": str(free_port())}))
            exits.callback(nodes[-1].stop)
        for node in nodes:
            node.wait_until_ready()
        clients = [exits.enter_context(redis.Redis(port=node.port)) for node in nodes]
        buses = [client.config_get("cluster-port")["cluster-port"] for client in clients]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
        for number in range(_PRIMARIES):
            first, last = number * _SLOTS // _PRIMARIES, (number + 1) * _SLOTS // _PRIMARIES - 1
            clients[number].execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        names = [client.execute_command("CLUSTER", "MYID") for client in clients]
        until(lambda: all(len(client.cluster("NODES")) == len(nodes) for client in clients))
        for number in range(_PRIMARIES, 2 * _PRIMARIES):
            clients[number].execute_command("CLUSTER", "REPLICATE", names[number - _PRIMARIES])
        replicas = clients[_PRIMARIES:]
        until(lambda: all(each.info("replication").get("master_link_status") == "up" for each in replicas))
        cluster = Cluster(nodes, clients)
        until(cluster.is_complete)
        yield cluster


def until(is_true: Callable[[], bool], *errors: type[Exception]) -> None:
    """Wait for something that may raise these errors until then; the test's own timeout is longer."""
    deadline = time.monotonic() + _READY_S
    while True:
        with contextlib.suppress(redis.RedisError, KeyError, *errors):
            if is_true():
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)
