"""Connections of clients that are silent, ping often, or do not read, over plain sockets."""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hangtag.server import grpc_log, listener
from hangtag.settings import RedisSettings
from tests.integration.server.parts import SERVING, FakeTagger, Served, serving, settings_for

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1


def frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, 0) + payload


def read_exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def frames(connection: socket.socket) -> Iterator[tuple[int, int]]:
    """The kind and flags of each frame, until the server closes the connection."""
    while True:
        try:
            head = read_exactly(connection, 9)
            read_exactly(connection, int.from_bytes(head[:3]))
        except (EOFError, ConnectionError):
            return
        yield head[3], head[4]


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        yield connection


def test_a_connection_that_says_nothing_is_closed(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    tagger: FakeTagger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert listener._HANDSHAKE_LIMIT_MS <= 10_000
    monkeypatch.setattr(listener, "_HANDSHAKE_LIMIT_MS", 500)
    with serving(loop, settings_for(redis_settings), tagger) as served, connected(served) as silent:
        list(frames(silent))

        assert served.health() == SERVING


def test_a_client_may_ping_every_ten_seconds_without_calls(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    tagger: FakeTagger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert listener._MIN_CLIENT_PING_MS < 10_000
    monkeypatch.setattr(listener, "_MIN_CLIENT_PING_MS", 1)
    with serving(loop, settings_for(redis_settings), tagger) as served, connected(served) as client:
        client.sendall(PREFACE + frame(SETTINGS))
        received = frames(client)
        for number in range(10):
            time.sleep(0.02)
            client.sendall(frame(PING, payload=number.to_bytes(8)))
            seen: list[tuple[int, int]] = []
            while (PING, ACK) not in seen:
                seen.append(next(received))
                assert seen[-1][0] != GOAWAY


def test_a_client_that_does_not_read_is_disconnected(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    tagger: FakeTagger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its unread replies would stay in memory."""
    assert listener._PING_EVERY_MS + listener._PING_LIMIT_MS <= 60_000
    monkeypatch.setattr(listener, "_PING_EVERY_MS", 500)
    monkeypatch.setattr(listener, "_PING_LIMIT_MS", 500)
    with serving(loop, settings_for(redis_settings), tagger) as served, connected(served) as client:
        client.sendall(PREFACE + frame(SETTINGS) + frame(SETTINGS, ACK))

        # The server's pings are not answered.
        assert (PING, 0) in list(frames(client))


def test_a_reply_to_a_client_that_is_gone_is_not_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    grpc_log.drop_lines_about_callers()
    log = logging.getLogger("grpc._cython.cygrpc")

    log.error("ExecuteBatchError raised in core by servicer method [/hangtag.v1.TagService/GetProductTags]")
    log.error("Unexpected [ValueError] raised by servicer method [/hangtag.v1.TagService/GetProductTags]")

    assert [record.message[:10] for record in caplog.records] == ["Unexpected"]
