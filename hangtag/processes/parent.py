"""What one of several processes has of the process that started it."""

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Parent:
    """The way back. It is passed to the process when that starts."""

    def __init__(self, tell: Connection, life: Connection) -> None:
        self._tell = tell
        self._life = life

    def ready(self, bound: Any) -> None:
        """Say that this process works, and where it listens."""
        self._tell.send(bound)

    def fail(self, reason: str) -> None:
        """Say why this process cannot work."""
        self._tell.send(reason)

    def watch(self, on_orphaned: Callable[[], None]) -> None:
        """Call `on_orphaned`, from a thread, if the process that started this one ends."""

        def wait() -> None:
            self._life.poll(None)
            on_orphaned()

        threading.Thread(target=wait, name="parent-watch", daemon=True).start()
