"""One of the processes that serve on one port, and what it tells the process that started them."""

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple


class Bound(NamedTuple):
    """The ports of a process that serves; `http_port` is None without HTTP."""

    port: int
    metrics_port: int
    http_port: int | None = None

    def ports(self) -> dict[str, int]:
        """Those that there are, by name."""
        return {name: port for name, port in self._asdict().items() if port is not None}


class Member:
    """The place of a process among `count` of them. It is passed to the process when that starts."""

    def __init__(
        self, number: int, count: int, port: int, tell: Connection, life: Connection, http_port: int | None = None
    ) -> None:
        self.number = number
        self.count = count
        self.port = port
        self.http_port = http_port
        self._tell = tell
        self._life = life

    def ready(self, bound: Bound) -> None:
        """Say that this process serves."""
        self._tell.send(bound)

    def fail(self, reason: str) -> None:
        """Say why this process cannot serve."""
        self._tell.send(reason)

    def watch(self, on_orphaned: Callable[[], None]) -> None:
        """Call `on_orphaned`, from a thread, if the process that started this one ends."""

        def wait() -> None:
            self._life.poll(None)
            on_orphaned()

        threading.Thread(target=wait, name="parent-watch", daemon=True).start()
