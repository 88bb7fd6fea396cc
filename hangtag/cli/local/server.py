"""A server of the local stack: a child process that listens on a port of 127.0.0.1."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Self

from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError

HOST = "127.0.0.1"
_CHECK_EVERY_S = 0.02


def free_port() -> int:
    """A port that is not in use now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def port_or_another(port: int) -> Iterator[int]:
    """`port` if nothing listens on it, otherwise any free port.

    Nobody else gets `port` from this function while the block runs: a server that was just started listens only seconds
    later, so the UDP port of the same number is bound as a mark. The system releases it however this process ends.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark:
        try:
            mark.bind((HOST, port))
        except OSError:
            yield free_port()
            return
        yield port if _is_free(port) else free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that are being closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return not responds(port)
    return False


def responds(port: int, request: bytes = b"", response: bytes = b"") -> bool:
    """Whether the port accepts a connection and, if `response` is given, answers `request` with it."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(request)
        return not response or connection.recv(len(response)) == response
    return False


class LocalServer:
    """A started child process and a check of whether it is ready. Entering waits until it is; leaving stops it."""

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
        """Wait until the server is ready.

        Raises:
            LocalError: it ended, or is not ready within the deadline; the message has the end of its log.
        """
        deadline = time.monotonic() + self._deadline_s
        while not self._is_ready():
            if self.child.ends_within(_CHECK_EVERY_S):
                raise LocalError(self.child.exit_report())
            if time.monotonic() > deadline:
                msg = (
                    f"{self.child.name} does not answer on {self.url} after {self._deadline_s:.0f} s; "
                    f"end of its log {self.child.log}:\n{self.child.tail()}"
                )
                raise LocalError(msg.rstrip())

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
