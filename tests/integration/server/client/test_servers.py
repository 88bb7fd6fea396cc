"""Several servers: one that is slow, stops or restarts. All of them are Hangtag's."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hangtag.client import DeadlineError, HangtagError, Retries, UnavailableError
from hangtag.settings import RedisSettings
from hangtag.store import RedisTagStore
from tests.forwarder import Forwarder, forwarding
from tests.integration.server.client.parts import Make, entry
from tests.integration.server.parts import FakeTagger, Served, free_port, serving, settings_for, until


@pytest.fixture(scope="module", params=["grpcio"])
def transport(request: pytest.FixtureRequest) -> str:
    """What clients do when a server is away does not depend on its transport."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def product(store: RedisTagStore) -> str:
    store.write([entry("there")])
    return "there"


@pytest.fixture
def ports(served: Served) -> Iterator[tuple[Forwarder, Forwarder]]:
    """Two ways to the server."""
    with forwarding(served.port) as first, forwarding(served.port) as second:
        yield first, second


def addresses_of(ports: tuple[Forwarder, ...]) -> list[str]:
    return [f"127.0.0.1:{each.port}" for each in ports]


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_look_up_is_also_sent_to_another_server_if_the_first_is_slow(
    make: Make, ports: tuple[Forwarder, Forwarder], product: str, is_connected: bool
) -> None:
    client = make(addresses_of(ports), hedge_after_s=0.03)
    if is_connected:
        assert all(client.get(product).is_fresh for _ in range(4))
    ports[0].stall()

    # Half of them go to the stalled one first, and would wait there for longer than the test may take.
    assert all(client.get(product).is_fresh for _ in range(10))
    assert all(each.is_fresh for _ in range(4) for each in client.get_many([product] * 3))

    # Without another server there is nothing to gain, and the deadline holds.
    ports[1].stall()
    with pytest.raises(DeadlineError):
        client.get(product, timeout_s=0.3)
    for each in ports:
        each.flow()
    assert client.get(product).is_fresh


def test_both_servers_failing_ends_a_hedged_look_up(make: Make, ports: tuple[Forwarder, Forwarder]) -> None:
    for each in ports:
        each.stall()
    client = make(addresses_of(ports), hedge_after_s=0.05, retries=None)
    errors: list[HangtagError] = []

    def get() -> None:
        try:
            client.get("p", timeout_s=15)
        except HangtagError as error:
            errors.append(error)

    thread = threading.Thread(target=get)
    thread.start()
    until(lambda: all(each._sockets for each in ports))
    for each in ports:
        each.close()
    thread.join(20)

    assert [type(each) for each in errors] == [UnavailableError]


def test_no_call_fails_while_servers_are_restarted_one_after_the_other(
    make: Make, loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, product: str
) -> None:
    ports = [free_port(), free_port()]
    client = make([f"127.0.0.1:{port}" for port in ports], retries=Retries(first_s=0.05, longest_s=0.2))
    calls = 0
    errors: list[Exception] = []
    stops = threading.Event()

    def look_up() -> None:
        nonlocal calls
        while not stops.is_set():
            try:
                assert client.get(product).is_fresh
                calls += 1
            except Exception as error:  # noqa: BLE001 (any error of any kind is one too many)
                errors.append(error)
                return

    def start(stack: ExitStack, port: int) -> None:
        stack.enter_context(serving(loop, settings_for(redis_settings, port=port, drain_s=0.1), FakeTagger()))

    with ExitStack() as running:
        start(running, ports[0])
        second = ExitStack()
        start(second, ports[1])
        thread = threading.Thread(target=look_up)
        thread.start()
        for _ in range(2):
            before = calls
            until(lambda before=before: calls > before + 20 or errors)
            second.close()
            until(lambda before=before: calls > before + 40 or errors)
            start(second, ports[1])
        until(lambda before=calls: calls > before + 20 or errors)
        stops.set()
        thread.join(20)
        second.close()

    assert errors == []


def test_a_server_that_comes_back_is_used_again(
    make: Make, loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, product: str
) -> None:
    port = free_port()
    client = make(f"127.0.0.1:{port}", retries=None)

    def is_there() -> bool:
        try:
            return bool(client.get(product).is_fresh)
        except UnavailableError:
            return False

    assert not is_there()
    for _ in range(2):
        with serving(loop, settings_for(redis_settings, port=port), FakeTagger()):
            until(is_there)
        until(lambda: not is_there())


@pytest.mark.parametrize("name", ["localhost", "dns:///localhost", "ipv4:127.0.0.1"])
def test_an_address_may_be_a_name(make: Make, served: Served, product: str, name: str) -> None:
    assert make(f"{name}:{served.port}").get(product).is_fresh


def test_several_connections_lead_to_one_address(make: Make, ports: tuple[Forwarder, Forwarder], product: str) -> None:
    client = make(addresses_of(ports)[0], connections=3)

    assert all(client.get(product).is_fresh for _ in range(6))
    assert len(ports[0]._sockets) == 2 * 3  # each has two ends
