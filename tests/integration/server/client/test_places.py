"""Where clients may be used: processes that forked, event loops."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hangtag.client import AsyncClient, Client, UsageError
from tests.integration.server.client.parts import LIMIT_S, OnLoop
from tests.integration.server.client.scripted import scripting

ROOT = Path(__file__).resolve().parents[4]
BELONGS_TO_THE_PARENT = (
    "the client was used before this process was forked, and its connections belong to the parent; make a client in "
    "each process, after the fork"
)


@pytest.fixture(scope="module", params=["grpcio"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def run_forked(address: str, how: str) -> list[list[object]]:
    command = [sys.executable, "-m", "tests.integration.server.client.forked", address, how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=25, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_client_that_was_used_before_a_fork_belongs_to_the_parent(address: str) -> None:
    assert run_forked(address, "used") == [
        ["child, old client", BELONGS_TO_THE_PARENT],
        ["child, new client", "UNKNOWN"],
        ["parent", "UNKNOWN", 0],
    ]


def test_a_client_that_was_only_made_before_a_fork_works_on_both_sides(address: str) -> None:
    assert run_forked(address, "unused") == [
        ["child, old client", "UNKNOWN"],
        ["child, new client", "UNKNOWN"],
        ["parent", "UNKNOWN", 0],
    ]


def test_an_asyncio_client_belongs_to_the_event_loop_that_used_it(
    address: str, loop: asyncio.AbstractEventLoop
) -> None:
    client = OnLoop(loop, address, timeout_s=LIMIT_S)
    assert not client.get("p").is_known

    with pytest.raises(UsageError, match="another event loop; make one inside of each"):
        asyncio.run(client.inner.get("p"))

    client.close()
    with pytest.raises(UsageError, match="the client is closed"):
        client.get("p")


def test_clients_are_context_managers(address: str, loop: asyncio.AbstractEventLoop) -> None:
    async def ask() -> AsyncClient:
        async with AsyncClient(address, timeout_s=LIMIT_S) as client:
            assert not (await client.get("p")).is_known
        return client

    with Client(address, timeout_s=LIMIT_S) as client:
        assert not client.get("p").is_known
    closed = asyncio.run_coroutine_threadsafe(ask(), loop).result(LIMIT_S)

    with pytest.raises(UsageError, match="the client is closed"):
        client.get("p")
    assert repr(closed) == f"AsyncClient({address})"


def test_a_cancelled_task_is_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    async def ask(address: str) -> None:
        async with AsyncClient(address, timeout_s=LIMIT_S) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.get("p")

    with scripting() as server:
        server.gate.clear()
        asyncio.run_coroutine_threadsafe(ask(server.address), loop).result(LIMIT_S)
