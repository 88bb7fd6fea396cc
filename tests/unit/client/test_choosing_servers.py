"""Which server an attempt goes to. The steps of a call are walked through without sending anything."""

from collections.abc import Iterator

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from hangtag.client import CallError, DeadlineError, OverloadedError, Retries
from hangtag.client import servers as servers_module
from hangtag.client.attempts import Attempts
from hangtag.client.options import make_options
from hangtag.client.steps import Pause, Send, Steps
from hangtag.server.errors import DETAILS_KEY, Reason
from hangtag.server.errors import CallError as ServersError

A, B, C = "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"


@pytest.fixture(autouse=True)
def _long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server stops resting during a test."""
    monkeypatch.setattr(servers_module, "_REST_S", 1_000)


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    attempts = attempts_to([A, B, C])
    yield attempts
    attempts.close()


def attempts_to(addresses: list[str], **settings: object) -> Attempts:
    given = {"token": None, "tls": False, "timeout_s": 9, "retries": Retries(), "hedge_after_s": 1, "max_age_ms": 0}
    more = {"cache_entries": 0, "gather_gets": False, "connections": 1, "trace": False, "allow_plain_token": False}
    return Attempts(make_options(addresses, **{**given, **more, **settings}), grpc)


def begin(attempts: Attempts) -> tuple[Steps, Send]:
    steps = attempts.call("GetProductTags", None, 9, hedges=True)
    return steps, next(steps)


def addresses(attempts: Attempts, count: int) -> list[str]:
    """Where so many calls go, which are not answered."""
    return [begin(attempts)[1].server.address for _ in range(count)]


def raised(reason: Reason | grpc.StatusCode) -> AioRpcError:
    if isinstance(reason, grpc.StatusCode):
        return AioRpcError(reason, Metadata(), Metadata(), "what happened")
    details = Metadata((DETAILS_KEY, ServersError(reason, "", 0.5).details()))
    return AioRpcError(reason.code, Metadata(), details, "what happened")


def test_servers_take_turns(attempts: Attempts) -> None:
    assert addresses(attempts, 6) == [A, B, C, A, B, C]


@pytest.mark.parametrize("error", [Reason.SERVER_STOPPING, grpc.StatusCode.UNAVAILABLE])
def test_the_next_attempt_goes_elsewhere_at_once_and_the_server_rests(
    attempts: Attempts, error: Reason | grpc.StatusCode
) -> None:
    steps, first = begin(attempts)

    second = steps.throw(raised(error))

    assert first.server.address == A
    assert isinstance(second, Send)
    assert second.server.address in {B, C}
    # The others share its calls evenly.
    assert sorted(addresses(attempts, 4)) == [B, B, C, C]


def test_a_server_that_does_not_answer_in_time_rests(attempts: Attempts) -> None:
    steps, first = begin(attempts)

    with pytest.raises(DeadlineError):
        steps.throw(raised(grpc.StatusCode.DEADLINE_EXCEEDED))

    assert first.server.address not in addresses(attempts, 6)


@pytest.mark.parametrize("reason", [Reason.STORE_UNAVAILABLE, Reason.TOO_MANY_IDS, Reason.CLIENT_QUOTA])
def test_what_concerns_all_servers_is_waited_for(attempts: Attempts, reason: Reason) -> None:
    steps, _ = begin(attempts)

    pause = steps.throw(raised(reason))

    assert isinstance(pause, Pause)
    assert 0.5 <= pause.seconds <= 0.5 * 1.25
    assert set(addresses(attempts, 3)) == {A, B, C}


def test_what_grpc_itself_refuses_is_not_sent_again(attempts: Attempts) -> None:
    steps, _ = begin(attempts)

    with pytest.raises(OverloadedError):
        steps.throw(raised(grpc.StatusCode.RESOURCE_EXHAUSTED))


def test_if_all_servers_rest_all_are_asked(attempts: Attempts) -> None:
    for _ in range(3):
        steps, _ = begin(attempts)
        with pytest.raises(CallError):
            steps.throw(raised(grpc.StatusCode.DEADLINE_EXCEEDED))

    assert addresses(attempts, 3) == [A, B, C]


def test_pauses_grow_and_differ() -> None:
    attempts = attempts_to([A], retries=Retries(first_s=0.1, longest_s=0.3, attempts=5, budget=1_000))
    pauses = []
    for _ in range(50):
        steps, send = begin(attempts)
        row = []
        for _ in range(4):
            pause = steps.throw(raised(grpc.StatusCode.UNAVAILABLE))
            assert isinstance(pause, Pause)
            row.append(pause.seconds)
            send = next(steps)
        assert isinstance(send, Send)
        with pytest.raises(CallError):
            steps.throw(raised(grpc.StatusCode.UNAVAILABLE))
        pauses.append(row)
    attempts.close()

    for at, most in enumerate((0.1, 0.2, 0.3, 0.3)):
        column = [row[at] for row in pauses]
        assert most / 2 <= min(column) < max(column) <= most


def test_a_hedge_goes_elsewhere_unless_servers_fail(attempts: Attempts) -> None:
    _, send = begin(attempts)
    assert send.other is not None
    assert {send.other(send.server).address for _ in range(4)} == {B, C}

    while attempts._budget.failed():
        pass

    assert send.other(send.server) is None


def test_the_connections_to_one_address_are_used_in_turn() -> None:
    attempts = attempts_to([A, B], connections=2)
    sends = [begin(attempts)[1] for _ in range(8)]
    attempts.close()

    assert [each.server.address for each in sends] == [A, B] * 4
    assert len({id(each.server) for each in sends}) == 4
