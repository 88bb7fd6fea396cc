"""Fixtures for the server tests."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from hangtag.settings import RedisSettings
from hangtag.store import RedisTagStore
from tests.integration.server.parts import FakeTagger, Served, serving, settings_for


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop on a thread: only one loop per process may use grpc.aio."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def tagger() -> FakeTagger:
    return FakeTagger()


@pytest.fixture
def served(loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger) -> Iterator[Served]:
    with serving(loop, settings_for(redis_settings), tagger) as served:
        yield served


@pytest.fixture
def store(redis_settings: RedisSettings) -> Iterator[RedisTagStore]:
    store = RedisTagStore(redis_settings)
    yield store
    store.close()
