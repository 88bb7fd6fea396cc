"""A server of the local stack: a child process that listens on one port of 127.0.0.1."""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Self

from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError

HOST = "127.0.0.1"
_LOOK_EVERY_S = 0.02


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, question: bytes = b"", answer: bytes = b"") -> bool:
    """Whether something on the port takes a connection and answers the question as expected."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(question)
        return not answer or connection.recv(len(answer)) == answer
    return False


class LocalServer:
    """A started child and the test that tells when it is ready. Entering it waits for that, leaving it stops it."""

    def __init__(
        self,
        child: Child,
        port: int,
        url: str,
        is_ready: Callable[[], bool],
        *,
        deadline_s: float = 30,
        grace_s: float = 10,
    ) -> None:
        self.child = child
        self.port = port
        self.url = url
        self._is_ready = is_ready
        self._deadline_s = deadline_s
        self._grace_s = grace_s

    def wait_until_ready(self) -> None:
        """Return when the server answers.

        Raises:
            LocalError: it ended, or does not answer within the deadline; with the tail of its log.
        """
        give_up = time.monotonic() + self._deadline_s
        while not self._is_ready():
            if self.child.ends_within(_LOOK_EVERY_S):
                raise LocalError(self.child.obituary())
            if time.monotonic() > give_up:
                msg = f"{self.child.name} does not answer on {self.url} after {self._deadline_s:.0f} s; its log:\n"
                raise LocalError(msg + self.child.tail().rstrip())

    def stop(self) -> None:
        """Stop the child. A second call does nothing."""
        self.child.stop(self._grace_s)

    def __enter__(self) -> Self:
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
