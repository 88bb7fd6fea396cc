"""A server of each transport for each file of tests, on a store that a test may stall or take away."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from hangtag.settings import RedisSettings
from hangtag.store import RedisTagStore
from tests.forwarder import Forwarder, forwarding
from tests.integration.server.behaviour.peer import Peer
from tests.integration.server.parts import FakeTagger, Served, serving, settings_for

TRANSPORTS = ("grpcio", "native")
# Reads of a store that a test stalls must not time out before the test goes on.
_PATIENT_MS = 20_000


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """What speaks gRPC: every test of this folder runs over both."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def redis_settings(valkey_url: str) -> RedisSettings:
    """An empty database, which no test outside this folder uses."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushdb()
    return RedisSettings(url=valkey_url, timeout_ms=_PATIENT_MS)


@pytest.fixture(scope="module")
def store_port(redis_settings: RedisSettings) -> Iterator[Forwarder]:
    """What the server reaches the store through."""
    address = redis.connection.parse_url(redis_settings.url.get_secret_value())
    with forwarding(int(address["port"])) as forwarder:
        yield forwarder


@pytest.fixture(scope="module")
def store(redis_settings: RedisSettings) -> Iterator[RedisTagStore]:
    """The store itself, also while the server's is stalled."""
    store = RedisTagStore(redis_settings)
    yield store
    store.close()


@pytest.fixture(scope="module")
def tagger() -> FakeTagger:
    return FakeTagger()


@pytest.fixture(scope="module")
def limits() -> dict[str, object]:
    """Settings of the server; a file of tests may have others."""
    return {}


@pytest.fixture(scope="module")
def served(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    store_port: Forwarder,
    tagger: FakeTagger,
    transport: str,
    limits: dict[str, object],
) -> Iterator[Served]:
    behind = redis_settings.model_copy(
        update={"url": type(redis_settings.url)(f"redis://127.0.0.1:{store_port.port}/0")}
    )
    # Texts of earlier tests are computed again.
    settings = settings_for(behind, **{"transport": transport, "suggest_cache_entries": 0, **limits})
    with serving(loop, settings, tagger) as served:
        yield served


@pytest.fixture
def peer(served: Served) -> Iterator[Peer]:
    with Peer(served.port) as peer:
        yield peer


@pytest.fixture(autouse=True)
def _undisturbed(store_port: Forwarder, tagger: FakeTagger) -> Iterator[None]:
    """A test that fails leaves nothing stalled for the next one."""
    yield
    store_port.flow()
    tagger.gate.set()
