"""Look-ups of single products that are sent as one call."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from hangtag.client import DeadlineError, InvalidRequestError, TagFilter, UsageError
from hangtag.client.gathering import MOST_TOGETHER
from hangtag.server.errors import CallError, Reason
from tests.integration.server.client.parts import LIMIT_S, Make, OnLoop
from tests.integration.server.client.scripted import Scripted, scripting
from tests.integration.server.parts import until

WRONG = CallError(Reason.INVALID_REQUEST, "an id is wrong")


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripting() as server:
        yield server


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MOST_TOGETHER + 40) as threads:
        yield threads


class Crowd:
    """Look-ups that run at the same time, each by a thread or a task of its own."""

    def __init__(self, client: Any, threads: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._threads = threads
        self._loop = loop

    def get(self, product: str, **more: Any) -> "Future[Any]":
        if isinstance(self._client, OnLoop):
            return asyncio.run_coroutine_threadsafe(self._client.inner.get(product, **more), self._loop)
        return self._threads.submit(self._client.get, product, **more)

    def wait_until_waiting(self, count: int) -> None:
        inner = self._client.inner if isinstance(self._client, OnLoop) else self._client._lanes
        until(lambda: len(inner._waiting) == count)

    def occupy(self, server: Scripted) -> "list[Future[Any]]":
        """Look-ups that keep all calls busy until the server's gate opens."""
        server.gate.clear()
        running = []
        for count in (1, 2):
            running.append(self.get(f"first-{count}"))
            until(lambda count=count: len(server.got) == count)
        return running


@pytest.fixture
def crowd(make: Make, server: Scripted, threads: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> Crowd:
    return Crowd(make(server.address, gather_gets=True), threads, loop)


@pytest.fixture(scope="module", params=["grpcio"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_look_ups_wait_for_company_only_while_two_calls_run(crowd: Crowd, server: Scripted) -> None:
    running = crowd.occupy(server)
    ids = [f"p-{number}" for number in range(MOST_TOGETHER + 20)]
    running += [crowd.get(each) for each in ids]
    crowd.wait_until_waiting(len(ids))
    server.gate.set()

    assert [each.result(LIMIT_S).product_id for each in running] == ["first-1", "first-2", *ids]
    assert sorted(len(each.ids) for each in server.got) == [1, 1, 20, MOST_TOGETHER]
    assert {each.method for each in server.got} == {"BatchGetProductTags"}


def test_one_filter_is_one_call(crowd: Crowd, server: Scripted) -> None:
    running = crowd.occupy(server)
    for at, tag_filter in enumerate((None, TagFilter(max_tags=1), TagFilter(max_tags=1), None)):
        running.append(crowd.get(f"p-{at}", tag_filter=tag_filter, min_version=at))
        crowd.wait_until_waiting(at + 1)
    server.gate.set()

    assert [each.result(LIMIT_S).is_fresh for each in running] == [True] * 6
    assert sorted(each.ids for each in server.got[2:]) == [["p-0"], ["p-1", "p-2"], ["p-3"]]


def test_a_wrong_look_up_fails_alone(crowd: Crowd, server: Scripted) -> None:
    running = crowd.occupy(server)
    for at in range(3):
        running.append(crowd.get(f"p-{at}"))
        crowd.wait_until_waiting(at + 1)
    server.errors = [WRONG, CallError(Reason.INVALID_REQUEST, "p-0 is wrong")]
    server.gate.set()

    with pytest.raises(InvalidRequestError, match="p-0 is wrong"):
        running[2].result(LIMIT_S)
    assert [running[at].result(LIMIT_S).product_id for at in (0, 1, 3, 4)] == ["first-1", "first-2", "p-1", "p-2"]
    assert [each.ids for each in server.got[2:]] == [["p-0", "p-1", "p-2"], ["p-0"], ["p-1"], ["p-2"]]


def test_an_error_of_a_call_reaches_each_of_its_callers(crowd: Crowd, server: Scripted) -> None:
    running = crowd.occupy(server)
    server.errors = [CallError(Reason.INTERNAL_ERROR, "an error in the server")]
    waiting = [crowd.get(f"p-{at}") for at in range(3)]
    crowd.wait_until_waiting(3)
    server.gate.set()

    errors = [each.exception(LIMIT_S) for each in waiting]
    assert [str(each) for each in errors] == [str(errors[0])] * 3
    assert "an error in the server" in str(errors[0])
    assert len({id(each) for each in errors}) == 3
    assert [each.result(LIMIT_S).is_fresh for each in running] == [True, True]


def test_each_caller_has_its_own_deadline(crowd: Crowd, server: Scripted) -> None:
    running = crowd.occupy(server)
    hurried = crowd.get("hurried", timeout_s=0.05)
    running.append(crowd.get("patient"))

    with pytest.raises(DeadlineError, match=r"no answer within 0\.05 s"):
        hurried.result(LIMIT_S)
    server.gate.set()
    assert [each.result(LIMIT_S).is_fresh for each in running] == [True] * 3
    # Nobody waits for it any more.
    assert "hurried" not in {product for each in server.got for product in each.ids}


def test_closing_ends_those_that_wait(
    make: Make, server: Scripted, threads: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop
) -> None:
    client = make(server.address, gather_gets=True)
    crowd = Crowd(client, threads, loop)
    running = crowd.occupy(server)
    running.append(crowd.get("p"))
    crowd.wait_until_waiting(1)
    client.close()

    assert [type(each.exception(LIMIT_S)) for each in running] == [UsageError] * 3
