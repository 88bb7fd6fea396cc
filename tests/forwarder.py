"""A TCP port that leads to another one, which a test may change, as a failover changes where a name leads."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Forwarder:
    """Accepts connections on `port` and forwards each to the `target` of the moment of its arrival.

    Open connections keep the target that they have. With a TLS context, it speaks TLS with its clients.
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._flows = threading.Event()
        self._flows.set()
        self._start(self._accept)

    def stall(self) -> None:
        """Deliver nothing until `flow`: connections stay open and are accepted, and what is sent waits."""
        self._flows.clear()

    def flow(self) -> None:
        """Deliver what waits, and go on."""
        self._flows.set()

    def cut(self) -> None:
        """End all open connections. New ones are accepted."""
        with self._lock:
            for each in self._sockets:
                _shut_down(each)

    def close(self) -> None:
        """Close the port and all connections."""
        _shut_down(self._listener)
        self.cut()
        self.flow()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(10)
        self._listener.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        with self._lock:
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(client)
            try:
                if self._tls is not None:
                    client = stack.enter_context(self._tls.wrap_socket(client, server_side=True))
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            stack.enter_context(server)
            pair = {client, server}
            with self._lock:
                self._sockets |= pair
            back = self._start(self._copy, server, client)
            self._copy(client, server)
            back.join()
            with self._lock:
                self._sockets -= pair

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
        for each in (source, sink):
            _shut_down(each)


def _shut_down(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarding(target: int, tls: ssl.SSLContext | None = None) -> Iterator[Forwarder]:
    """A forwarder that is closed at the end of the block."""
    forwarder = Forwarder(target, tls)
    try:
        yield forwarder
    finally:
        forwarder.close()
