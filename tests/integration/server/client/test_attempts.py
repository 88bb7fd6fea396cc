"""When the clients send a call again, and when they do not: against a server whose answers the tests set."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from hangtag.client import (
    CallError,
    DeadlineError,
    InvalidRequestError,
    OverloadedError,
    Retries,
    ServerFaultError,
    UnavailableError,
    UsageError,
)
from hangtag.server.errors import CallError as ServersError
from hangtag.server.errors import Reason
from tests.integration.server.client.parts import Make
from tests.integration.server.client.scripted import Scripted, fresh, scripting
from tests.integration.server.parts import free_port, until


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripting() as server:
        yield server


def full(retry_after_s: float | None = None) -> ServersError:
    return ServersError(Reason.TOO_MANY_IDS, "too many ids", retry_after_s)


STOPPING = ServersError(Reason.SERVER_STOPPING, "the server is stopping")


@pytest.mark.parametrize("error", [full(0.01), STOPPING], ids=["full", "stopping"])
def test_a_call_is_sent_again_until_it_is_answered(make: Make, server: Scripted, error: ServersError) -> None:
    server.errors = [error] * 3

    assert make(server.address).get("p").is_fresh
    assert len(server.got) == 4


def test_the_server_is_asked_again_no_earlier_than_it_said(make: Make, server: Scripted) -> None:
    server.errors = [full(0.3)]

    assert make(server.address).get("p").is_fresh
    first, second = server.got
    assert second.at - first.at >= 0.3


def test_a_time_to_wait_beyond_the_deadline_is_not_waited_for(make: Make, server: Scripted) -> None:
    server.errors = [full(60)]

    with pytest.raises(OverloadedError, match="too many ids") as caught:
        make(server.address, timeout_s=15).get("p")

    assert (caught.value.reason, caught.value.retry_after_s, caught.value.attempts) == ("TOO_MANY_IDS", 60, 1)
    assert len(server.got) == 1


def test_the_last_error_is_raised(make: Make, server: Scripted) -> None:
    server.errors = [full(0.01)] * 3 + [STOPPING]

    with pytest.raises(UnavailableError, match=r"the server is stopping.*SERVER_STOPPING.*attempt 4") as caught:
        make(server.address).get("p")

    assert (caught.value.status, caught.value.reason, caught.value.attempts) == ("UNAVAILABLE", "SERVER_STOPPING", 4)
    assert server.address in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(Reason.INVALID_REQUEST, InvalidRequestError), (Reason.INTERNAL_ERROR, ServerFaultError)],
)
def test_other_errors_are_raised_at_once(make: Make, server: Scripted, reason: Reason, kind: type[CallError]) -> None:
    server.errors = [ServersError(reason, "what is wrong")]

    with pytest.raises(kind, match="what is wrong") as caught:
        make(server.address).get_many(["p"])

    assert (caught.value.reason, len(server.got)) == (reason.label, 1)


def test_a_client_without_retries_sends_each_call_once(make: Make, server: Scripted) -> None:
    server.errors = [STOPPING]

    with pytest.raises(UnavailableError):
        make(server.address, retries=None).get("p")

    assert len(server.got) == 1


def test_servers_that_fail_all_the_time_are_not_hammered(make: Make, server: Scripted) -> None:
    server.errors = [STOPPING] * 1_000
    client = make(server.address, retries=Retries(first_s=0.001, longest_s=0.001, budget=5))

    for _ in range(30):
        with pytest.raises(UnavailableError):
            client.get("p")

    assert 30 < len(server.got) <= 30 + 5
    # Calls that succeed bring the retries back.
    server.errors.clear()
    for _ in range(100):
        client.get("p")
    server.errors = [STOPPING]
    assert client.get("p").is_fresh


def test_a_server_that_cannot_be_reached_is_left_for_another_one(make: Make, server: Scripted) -> None:
    client = make([f"127.0.0.1:{free_port()}", server.address], retries=Retries(first_s=5, longest_s=5))

    # Nothing waits for the back-off, which would end the test.
    assert all(client.get("p").is_fresh for _ in range(20))
    assert len(server.got) == 20


def test_without_any_server_the_error_says_what_to_check(make: Make) -> None:
    address = f"127.0.0.1:{free_port()}"

    with pytest.raises(UnavailableError) as caught:
        make(address, retries=None).get("p")

    assert address in str(caught.value)
    assert "check that the server runs at this address" in str(caught.value)
    assert caught.value.reason is None


def test_a_deadline_ends_a_call_to_a_server_that_does_not_answer(make: Make, server: Scripted) -> None:
    server.gate.clear()
    client = make(server.address, timeout_s=0.2)

    with pytest.raises(DeadlineError, match="timeout_s") as caught:
        client.get("p")

    assert isinstance(caught.value, TimeoutError)
    assert len(server.got) <= 1


def test_the_token_of_a_file_is_read_again_when_it_changes(make: Make, server: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("ht_1_old\n")
    client = make(server.address, token=path)
    assert client.get("p").is_fresh
    new = tmp_path / "new"
    new.write_text("ht_2_new")
    new.rename(path)

    until(lambda: client.get("p") and server.got[-1].metadata["authorization"] == "Bearer ht_2_new")

    assert server.got[0].metadata["authorization"] == "Bearer ht_1_old"
    path.unlink()
    assert client.get("p").is_fresh


def test_a_function_gives_the_token_of_each_attempt(make: Make, server: Scripted) -> None:
    tokens = iter(["ht_1_a", "ht_1_b"])
    server.errors = [full(0.01)]

    make(server.address, token=lambda: next(tokens)).get("p")

    assert [each.metadata["authorization"] for each in server.got] == ["Bearer ht_1_a", "Bearer ht_1_b"]


def test_the_headers_of_the_callers_trace_are_passed_on(make: Make, server: Scripted) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    make(server.address, token="ht_1_a", trace=lambda headers: headers.update(Traceparent=parent)).get("p")
    make(server.address, trace=False).get("p")

    first, second = (each.metadata for each in server.got)
    assert (first["traceparent"], first["authorization"]) == (parent, "Bearer ht_1_a")
    assert not {"traceparent", "authorization"} & set(second)


def test_a_call_that_runs_when_its_client_is_closed_says_so(make: Make, server: Scripted) -> None:
    server.gate.clear()
    client = make(server.address)
    errors: list[BaseException] = []

    def get() -> None:
        try:
            client.get("p")
        except UsageError as error:
            errors.append(error)

    thread = Thread(target=get)
    thread.start()
    until(lambda: server.got)
    client.close()
    thread.join(20)

    assert [str(each) for each in errors] == ["the client was closed while the call was running"]
    with pytest.raises(UsageError, match="the client is closed; make another one"):
        client.get("p")


def test_an_answer_is_used_again_as_long_as_it_is_young_enough(make: Make, server: Scripted) -> None:
    ages = {"now": 0.0, "old": 50.0}
    server.answer = lambda product: fresh(product, time.time() - ages[product])
    client = make(server.address, max_age_ms=40_000)

    for _ in range(3):
        assert [each.product_id for each in client.get_many(["now", "old"])] == ["now", "old"]
    assert client.get("now").is_fresh
    client.get("now", min_version=1)
    client.get("now", max_age_ms=0)

    assert [each.ids for each in server.got] == [["now", "old"], ["old"], ["old"], ["now"], ["now"]]
    assert client.get("old", max_age_ms=90_000).is_fresh
    assert len(server.got) == 5


def test_the_cache_keeps_only_so_many(make: Make, server: Scripted) -> None:
    client = make(server.address, max_age_ms=60_000, cache_entries=2)

    for product in ("a", "b", "a", "c", "a", "b"):
        client.get(product)

    assert [each.ids for each in server.got] == [["a"], ["b"], ["c"], ["b"]]
