"""Pings, and connections that say nothing or do not answer."""

import asyncio
import importlib
import logging

import pytest

from hangtag.server import grpc_log, listener
from hangtag.settings import RedisSettings
from tests.integration.server.behaviour.peer import Peer
from tests.integration.server.parts import SERVING, FakeTagger, serving, settings_for

ENHANCE_YOUR_CALM = 11


def shortened(monkeypatch: pytest.MonkeyPatch, transport: str, **limits_ms: int) -> None:
    """Shorten limits of time, for a server that is started afterwards."""
    modules = [listener]
    if transport == "native":
        modules.append(importlib.import_module("hangtag.server.native_transport"))
    for name, limit_ms in limits_ms.items():
        for module in modules:
            monkeypatch.setattr(module, name, limit_ms, raising=module is listener)


def test_a_connection_that_says_nothing_is_closed(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if transport == "native":
        pytest.skip("pygrpc-native 0.5 waits 120 s for the first bytes, and has no setting for it")
    assert listener._HANDSHAKE_LIMIT_MS <= 10_000
    shortened(monkeypatch, transport, _HANDSHAKE_LIMIT_MS=500)
    settings = settings_for(redis_settings, transport=transport)
    with serving(loop, settings, FakeTagger()) as served, Peer(served.port, first=b"") as silent:
        assert silent.read_until(lambda: silent.is_closed)
        assert served.health() == SERVING


def test_a_client_may_ping_every_ten_seconds_without_calls(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert listener._MIN_CLIENT_PING_MS < 10_000
    shortened(monkeypatch, transport, _MIN_CLIENT_PING_MS=1)
    settings = settings_for(redis_settings, transport=transport)
    with serving(loop, settings, FakeTagger()) as served, Peer(served.port) as peer:
        for _ in range(10):
            peer.read_for(0.02)
            assert peer.is_served()
        assert peer.goaway is None


def test_a_client_that_pings_all_the_time_is_answered_or_told_to_be_calm(peer: Peer) -> None:
    for _ in range(50):
        peer.ping()
    peer.read_until(lambda: peer.is_closed or peer.pongs == 50, 5)

    assert peer.pongs == 50 or peer.goaway == ENHANCE_YOUR_CALM


def test_a_client_that_does_not_answer_pings_is_disconnected(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The replies that it has not read would stay in memory."""
    assert listener.PING_EVERY_MS + listener.PING_LIMIT_MS <= 60_000
    shortened(monkeypatch, transport, PING_EVERY_MS=500, PING_LIMIT_MS=500)
    settings = settings_for(redis_settings, transport=transport)
    with serving(loop, settings, FakeTagger()) as served, Peer(served.port, answers_pings=False) as peer:
        assert peer.read_until(lambda: peer.is_closed)
        assert peer.pings


def test_a_reply_to_a_client_that_is_gone_is_not_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    grpc_log.drop_lines_about_callers()
    log = logging.getLogger("grpc._cython.cygrpc")

    log.error("ExecuteBatchError raised in core by servicer method [/hangtag.v1.TagService/GetProductTags]")
    log.error("Unexpected [ValueError] raised by servicer method [/hangtag.v1.TagService/GetProductTags]")

    assert [record.message[:10] for record in caplog.records] == ["Unexpected"]
