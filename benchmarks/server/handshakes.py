"""New connections, each up to the settings of HTTP/2: `python -m benchmarks.server.handshakes JSON`.

Several threads connect, so that the server is never without work; a handshake is mostly outside the interpreter's lock.
"""

import socket
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, dataclass

import orjson

from benchmarks.server.connection import PREFACE
from benchmarks.server.generator import tls_context

_THREADS = 4
_HEAD_BYTES = 9
_SETTINGS = 4


@dataclass
class Connecting:
    """Where to connect, for how long, and the authority of the server's certificate; empty: without TLS."""

    port: int
    ca_file: str = ""
    seconds: float = 2.0


class Connector:
    """Connects again and again."""

    def __init__(self, connecting: Connecting) -> None:
        self._connecting = connecting
        # A context keeps no sessions: every handshake is a full one.
        self._tls = tls_context(connecting.ca_file) if connecting.ca_file else None
        self._count = 0
        self._lock = threading.Lock()

    def run(self) -> float:
        """Connections a second."""
        start = time.perf_counter()
        threads = [
            threading.Thread(target=self._repeat, args=(start + self._connecting.seconds,)) for _ in range(_THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._count / (time.perf_counter() - start)

    def _repeat(self, until: float) -> None:
        while time.perf_counter() < until:
            self._connect()
            with self._lock:
                self._count += 1

    def _connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self._connecting.port), timeout=10)
        connection = plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname="127.0.0.1")
        with closing(connection):
            connection.sendall(PREFACE)
            head = b""
            while len(head) < _HEAD_BYTES:
                part = connection.recv(_HEAD_BYTES - len(head))
                if not part:
                    msg = "the server closed the connection"
                    raise ConnectionError(msg)
                head += part
            assert head[3] == _SETTINGS


if __name__ == "__main__":
    _connecting = Connecting(**orjson.loads(sys.argv[1]))
    _result = {**asdict(_connecting), "per_s": Connector(_connecting).run()}
    sys.stdout.write(orjson.dumps(_result).decode())
