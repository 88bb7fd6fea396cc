"""The client of a call: found once, denied when it ends, and never more than its quota."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.access import Scope, Token, Tokens, add_token, cautions, new_token, refusal, revoke_token
from hangtag.server.access import ANYONE, Access
from hangtag.server.errors import CallError, Reason
from hangtag.server.quota import Quota
from hangtag.settings import ServerSettings


class StillClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.started_ms = round(datetime.now(UTC).timestamp() * 1_000)

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return self.started_ms + round(self.now_s * 1_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.jsonl"


@pytest.fixture
def add(file: Path) -> Callable[..., str]:
    def make(*scopes: Scope, **more: object) -> str:
        made = new_token("search", scopes or (Scope.READ,), **more)
        add_token(file, made.token)
        return f"Bearer {made.text}"

    return make


def reason_of(access: Access, authorization: str | None, method: str = "GetProductTags") -> Reason | None:
    try:
        access.client_of(authorization, method)
    except CallError as error:
        return error.reason
    return None


def test_without_tokens_everybody_may_call() -> None:
    access = Access()

    assert access.client_of(None, "SuggestTags") is access.client_of("Bearer x", "GetProductTags") is ANYONE


def test_a_known_token_costs_no_hash(file: Path, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = add()
    access = Access(ServerSettings(tokens_file=file))
    client = access.client_of(text, "GetProductTags")
    monkeypatch.setattr(Tokens, "find", lambda *_: pytest.fail("it was looked for again"))

    assert access.client_of(text, "BatchGetProductTags") is client


def test_a_token_ends_in_the_middle_of_its_use(file: Path, add: Callable[..., str]) -> None:
    clock = StillClock()
    text = add(expires=datetime.now(UTC) + timedelta(hours=1))
    access = Access(ServerSettings(tokens_file=file), clock)

    assert reason_of(access, text) is None
    clock.now_s = 3_700
    assert reason_of(access, text) is Reason.TOKEN_EXPIRED


def test_what_a_client_has_used_is_known_after_the_file_was_read_again(file: Path, add: Callable[..., str]) -> None:
    text = add(calls_per_s=0.001)
    access = Access(ServerSettings(tokens_file=file), StillClock())
    access.client_of(text, "GetProductTags").begin(1)

    add()
    access.refresh()

    with pytest.raises(CallError, match=r"the quota of your token is used up: 0.001 calls a second") as caught:
        access.client_of(text, "GetProductTags").begin(1)
    assert caught.value.retry_after_s == 999


def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_remembered(
    file: Path, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = add()
    access = Access(ServerSettings(tokens_file=file))
    find = Tokens.find

    def find_slowly(tokens: Tokens, authorization: str) -> Token | None:
        found = find(tokens, authorization)
        if found is not None and found.revoked is None:
            revoke_token(file, found.id)
            access.refresh()
        return found

    monkeypatch.setattr(Tokens, "find", find_slowly)

    assert reason_of(access, text) is None
    assert reason_of(access, text) is Reason.TOKEN_EXPIRED


def test_ways_to_write_a_token_do_not_fill_the_memory(file: Path, add: Callable[..., str]) -> None:
    text = add()
    access = Access(ServerSettings(tokens_file=file))

    for spaces in range(1, 100):
        access.client_of(text.replace(" ", " " * spaces), "GetProductTags")

    assert len(access._clients) < 10


def test_usual_quotas_are_those_of_the_settings(file: Path, add: Callable[..., str]) -> None:
    usual, own = add(), add(concurrency=2)
    access = Access(ServerSettings(tokens_file=file, quota_concurrency=1))

    def admitted(text: str) -> int:
        client = access.client_of(text, "GetProductTags")
        count = 0
        while count < 10:
            try:
                client.begin(1)
            except CallError:
                break
            count += 1
        return count

    assert (admitted(usual), admitted(own)) == (1, 2)


@given(
    per_s=st.floats(0.01, 1_000),
    calls=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 1_000)), min_size=1, max_size=60),
)
def test_no_more_ids_than_the_quota_in_any_time(per_s: float, calls: list[tuple[float, int]]) -> None:
    """Beyond a second's worth at once and the last call, which may be larger than that."""
    clock = StillClock()
    quota = Quota(clock.monotonic, ids_per_s=per_s)
    admitted: list[tuple[float, int]] = []
    for wait_s, ids in calls:
        clock.now_s += wait_s
        excess = quota.begin(ids)
        if excess is None:
            admitted.append((clock.now_s, ids))
        else:
            # What the caller is told is true, and no longer than needed.
            assert excess.retry_after_s is not None
            assert excess.retry_after_s > 0
            clock.now_s += excess.retry_after_s + 1e-6
            assert quota.begin(ids) is None
            admitted.append((clock.now_s, ids))
    for first, (begin_s, _) in enumerate(admitted):
        for last in range(first, len(admitted)):
            before_last = sum(ids for _, ids in admitted[first:last])
            assert before_last <= per_s * (admitted[last][0] - begin_s + 1) + 1e-3


def test_what_is_refused_counts_for_nothing() -> None:
    clock = StillClock()
    quota = Quota(clock.monotonic, calls_per_s=1, concurrency=2, ids_per_s=10)
    assert quota.begin(5) is None

    assert [quota.begin(1) for _ in range(3)] != [None] * 3
    quota.end()
    clock.now_s = 10
    assert quota.begin(1) is None


OPEN = "it answers everyone: set HANGTAG_SERVER__TOKENS_FILE"
PLAIN = "travel unencrypted: set HANGTAG_SERVER__TLS_CERT_FILE"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"])
def test_a_server_for_this_machine_alone_is_no_risk(host: str) -> None:
    assert cautions(ServerSettings(host=host)) == []
    assert refusal(ServerSettings(host=host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "a-name-that-does-not-exist.invalid"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [OPEN, PLAIN]),
        ({"tokens_file": "t"}, [PLAIN]),
        ({"tls_cert_file": "c"}, [OPEN]),
        ({"tls_cert_file": "c", "tokens_file": "t"}, []),
        ({"tls_cert_file": "c", "tls_client_ca_file": "a"}, []),
    ],
)
def test_a_server_that_others_reach_says_what_it_lacks(host: str, more: dict[str, str], expected: list[str]) -> None:
    found = cautions(ServerSettings(host=host, **more))
    required = refusal(ServerSettings(host=host, require_auth=True, **more))

    assert len(found) == len(expected)
    assert all(part in text for part, text in zip(expected, found, strict=True))
    assert (required is None) == (not expected)


def test_required_authentication_counts_on_this_machine_too() -> None:
    needed = "server.require_auth is set: set HANGTAG_SERVER__TOKENS_FILE, or HANGTAG_SERVER__TLS_CLIENT_CA_FILE"

    assert needed in (refusal(ServerSettings(require_auth=True)) or "")
    assert refusal(ServerSettings(require_auth=True, tokens_file="t")) is None
