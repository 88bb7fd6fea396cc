"""Clients of servers that ask for a token."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hangtag.access import Scope, add_token, new_token, revoke_token
from hangtag.client import OverloadedError, PermissionDeniedError, UnauthenticatedError
from hangtag.server import program
from hangtag.settings import RedisSettings
from tests.integration.server.client.parts import Make
from tests.integration.server.parts import FakeTagger, Served, serving, settings_for, until


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens") / "tokens.jsonl"


@pytest.fixture(scope="module")
def new(tokens_file: Path) -> Callable[..., tuple[str, str]]:
    """Adds a token: its id and its text."""

    def add(*scopes: Scope, **more: object) -> tuple[str, str]:
        made = new_token("search", scopes, **more)
        add_token(tokens_file, made.token)
        return made.token.id, made.text

    return add


@pytest.fixture(scope="module")
def reader(new: Callable[..., tuple[str, str]]) -> str:
    return new(Scope.READ)[1]


@pytest.fixture(scope="module")
def served(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tokens_file: Path, reader: str, transport: str
) -> Iterator[Served]:
    assert reader
    settings = settings_for(redis_settings, transport=transport, tokens_file=tokens_file)
    with pytest.MonkeyPatch.context() as patch:
        # The server looks at the file that often.
        patch.setattr(program, "_LOOP_EVERY_S", 0.05)
        with serving(loop, settings, FakeTagger()) as served:
            yield served


@pytest.mark.parametrize("gathers", [False, True])
def test_a_token_opens_what_its_scopes_name(make: Make, address: str, reader: str, gathers: bool) -> None:
    client = make(address, token=reader, gather_gets=gathers)

    assert not client.get("never").is_known
    with pytest.raises(PermissionDeniedError, match="suggest") as caught:
        client.suggest("red shoes")
    assert (caught.value.reason, caught.value.attempts) == ("SCOPE_MISSING", 1)
    for token, reason in ((None, "TOKEN_MISSING"), ("ht_1_unknown", "TOKEN_UNKNOWN")):
        with pytest.raises(UnauthenticatedError) as denied:
            make(address, token=token, gather_gets=gathers).get("p")
        assert (denied.value.reason, denied.value.attempts) == (reason, 1)
        assert "unknown" not in str(denied.value.args)


def test_a_quota_is_an_overload_of_the_token(
    make: Make, address: str, reader: str, new: Callable[..., tuple[str, str]]
) -> None:
    _, seldom = new(Scope.READ, calls_per_s=0.001)
    client = make(address, token=seldom, retries=None)

    def refusal() -> OverloadedError | None:
        try:
            client.get("p")
        except UnauthenticatedError:
            pass  # the server has not read the file yet
        except OverloadedError as error:
            return error
        return None

    found: list[OverloadedError] = []
    until(lambda: found.extend(filter(None, [refusal()])) or found)

    assert found[0].reason == "CLIENT_QUOTA"
    assert found[0].retry_after_s > 0
    assert not make(address, token=reader).get("p").is_known


def test_a_token_is_changed_without_a_failed_call(
    make: Make, address: str, new: Callable[..., tuple[str, str]], tokens_file: Path, tmp_path: Path
) -> None:
    old_id, old = new(Scope.READ)
    _, text = new(Scope.READ)
    path = tmp_path / "token"

    def is_accepted(token: str) -> bool:
        try:
            return not make(address, token=token).get("p").is_known
        except UnauthenticatedError:
            return False

    until(lambda: is_accepted(text) and is_accepted(old))
    path.write_text(old)
    client = make(address, token=path)
    assert not client.get("p").is_known

    path.write_text(text)
    revoke_token(tokens_file, old_id)
    # The refused call is sent again with what the file says now.
    until(lambda: not client.get("p").is_known and not is_accepted(old))
    assert not client.get("p").is_known
