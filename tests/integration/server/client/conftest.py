"""A server of each transport for each file of tests, and clients of both kinds."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from hangtag.settings import RedisSettings
from hangtag.store import RedisTagStore
from tests.integration.server.client.parts import Make, making
from tests.integration.server.parts import FakeTagger, Served, serving, settings_for


@pytest.fixture(scope="module", params=("grpcio", "native"))
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def redis_settings(valkey_url: str) -> RedisSettings:
    """An empty database; tests have products of their own in it."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushdb()
    return RedisSettings(url=valkey_url)


@pytest.fixture(scope="module")
def store(redis_settings: RedisSettings) -> Iterator[RedisTagStore]:
    store = RedisTagStore(redis_settings)
    yield store
    store.close()


@pytest.fixture(scope="module")
def tagger() -> FakeTagger:
    return FakeTagger()


@pytest.fixture(scope="module")
def served(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> Iterator[Served]:
    with serving(loop, settings_for(redis_settings, transport=transport), tagger) as served:
        yield served


@pytest.fixture(scope="module")
def address(served: Served) -> str:
    return f"127.0.0.1:{served.port}"


@pytest.fixture(params=("sync", "async"))
def make(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Make]:
    """Makes clients: every test runs with `Client` and with `AsyncClient`."""
    with making(request.param, loop) as make:
        yield make
