"""The forwarder of tests: what it delivers, holds back and cuts off."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.forwarder import Forwarder, forwarding


class Echo:
    """Answers what it is sent, and remembers it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        except OSError:
            return

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(100):
                self.received += data
                connection.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    opened = Echo()
    yield opened
    opened.close()


@pytest.fixture
def forwarder(echo: Echo) -> Iterator[Forwarder]:
    with forwarding(echo.port) as opened:
        yield opened


def connect(forwarder: Forwarder) -> socket.socket:
    return socket.create_connection(("127.0.0.1", forwarder.port), timeout=10)


def test_what_is_sent_during_a_stall_is_delivered_after_it(echo: Echo, forwarder: Forwarder):
    with connect(forwarder) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        forwarder.stall()
        client.sendall(b"b")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert echo.received == b"a"

        forwarder.flow()
        client.settimeout(10)
        assert client.recv(1) == b"b"


def test_a_connection_made_during_a_stall_waits(forwarder: Forwarder):
    forwarder.stall()
    with connect(forwarder) as client:
        client.sendall(b"a")
        forwarder.flow()

        assert client.recv(1) == b"a"


def test_a_cut_ends_open_connections_and_takes_new_ones(forwarder: Forwarder):
    with connect(forwarder) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        forwarder.cut()
        assert client.recv(1) == b""
    with connect(forwarder) as client:
        client.sendall(b"b")
        assert client.recv(1) == b"b"
