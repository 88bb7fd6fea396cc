"""The store of a run: Valkey with a replica, behind a name that leads to the primary."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from redis import Redis

from hangtag.cli.local import LocalServer, free_port, start_valkey
from tests.forwarder import Forwarder, forwarding

# What a killed process has acknowledged is in its file: it is written before the answer, and only a crash of the
# machine would lose what is not yet on the disk.
_OPTIONS = {"appendonly": "yes", "appendfsync": "no", "maxmemory-policy": "noeviction", "repl-diskless-sync-delay": "0"}
_ANSWER_S = 5.0


class StorePair:
    """Started by entering. Clients connect to `name`; a failover changes where it leads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exit = ExitStack()
        self._servers: list[LocalServer] = []
        self._primary = 0
        self._nowhere = free_port()
        self.name: Forwarder

    @property
    def url(self) -> str:
        """Where clients find the primary."""
        return f"redis://127.0.0.1:{self.name.port}/0"

    @property
    def primary_url(self) -> str:
        """The primary itself, past the proxy."""
        return self._servers[self._primary].url

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for number in range(2):
                self._servers.append(self._start(number, free_port()))
                starting.callback(lambda number=number: self._servers[number].stop())
            for server in self._servers:
                server.wait_until_ready()
            self.name = starting.enter_context(forwarding(self._servers[0].port))
            self._follow()
            self._exit = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def kill(self) -> None:
        """Kill the primary with -9."""
        os.kill(self._servers[self._primary].child.pid, signal.SIGKILL)
        self._servers[self._primary].stop()

    def restart(self) -> None:
        """Start the killed primary again, with its file; returns at once."""
        self._servers[self._primary] = self._start(self._primary, self._servers[self._primary].port)

    def flush(self) -> None:
        """Delete everything."""
        with self._client(self._primary) as client:
            client.flushall()

    def limit_memory(self, limit: str) -> None:
        """Set `maxmemory`; "0" is no limit."""
        with self._client(self._primary) as client:
            client.config_set("maxmemory", limit)

    def demote(self) -> None:
        """Make the primary a replica of nothing: it refuses writes, and the name still leads to it."""
        self._replicate(self._primary, self._nowhere)

    def promote(self) -> None:
        """Make the demoted primary one again."""
        with self._client(self._primary) as client:
            client.replicaof("NO", "ONE")
        self._follow()

    def hand_over(self) -> None:
        """Start a failover without loss: the primary waits until its replica has everything."""
        with self._client(self._primary) as client:
            client.execute_command("FAILOVER", "TIMEOUT", "5000")

    def has_handed_over(self) -> bool:
        """True once the replica is the primary; the name then leads to it."""
        with self._client(1 - self._primary) as other:
            if other.role()[0] not in (b"master", b"primary"):
                return False
        self._lead_to_other()
        return True

    def detach_replica(self) -> None:
        """Let the replica fall behind from now on."""
        self._replicate(1 - self._primary, self._nowhere)

    def fail_over_to_stale(self) -> None:
        """Replace the primary by the replica that fell behind; what only the primary has is lost."""
        with self._client(1 - self._primary) as other:
            other.replicaof("NO", "ONE")
        self._lead_to_other()
        self._follow()

    def is_replicating(self) -> bool:
        """True if both servers answer, and the replica has everything up to a moment ago."""
        with self._client(1 - self._primary) as other:
            return other.info("replication").get("master_link_status") == "up"

    def _lead_to_other(self) -> None:
        self._primary = 1 - self._primary
        self.name.target = self._servers[self._primary].port

    def _follow(self) -> None:
        self._replicate(1 - self._primary, self._servers[self._primary].port)

    def _replicate(self, number: int, port: int) -> None:
        with self._client(number) as client:
            client.replicaof("127.0.0.1", str(port))

    @contextmanager
    def _client(self, number: int) -> Iterator[Redis]:
        with Redis(port=self._servers[number].port, socket_timeout=_ANSWER_S) as client:
            yield client

    def _start(self, number: int, port: int) -> LocalServer:
        folder = self._folder / f"valkey-{number}"
        folder.mkdir(exist_ok=True)
        return start_valkey(folder, _OPTIONS, port)
