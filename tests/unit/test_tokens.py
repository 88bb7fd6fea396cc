"""Tokens: their text, their hash, their file, and how it is changed."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hangtag.access import (
    Scope,
    Token,
    Tokens,
    TokensFileError,
    add_token,
    new_token,
    read_tokens,
    revoke_token,
    token,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.jsonl"


def test_a_token_can_be_recognised_and_is_never_the_same_twice() -> None:
    made = [new_token("search", [Scope.READ]) for _ in range(100)]

    assert all(each.text.startswith(f"ht_{each.token.id}_") for each in made)
    assert all(len(each.text.split("_")[2]) == 43 for each in made)
    assert len({each.text for each in made}) == len({each.token.sha256 for each in made}) == 100


def test_the_file_holds_everything_but_the_secret(file: Path) -> None:
    expires = datetime(2030, 1, 2, tzinfo=UTC)
    made = new_token(
        "search", [Scope.SUGGEST, Scope.READ], expires=expires, calls_per_s=10, concurrency=2, ids_per_s=0.5
    )

    add_token(file, made.token)

    assert read_tokens(file) == {made.token.id: made.token}
    assert made.text.split("_")[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_token_is_found_by_comparing_hashes_in_constant_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    made = new_token("search", [Scope.READ])
    add_token(file, made.token)
    tokens = Tokens(file)

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return len(compared) == 1

    monkeypatch.setattr(token, "compare_digest", compare)
    other = f"ht_{made.token.id}_{'x' * 43}"

    # It alone decides.
    assert tokens.find(f"Bearer {other}") == made.token
    assert tokens.find(f"Bearer {made.text}") is None
    assert compared == [(made.token.sha256, token.hash_of(other)), (made.token.sha256, made.token.sha256)]


@pytest.mark.parametrize("text", ["ht__", "ht_\ud800_x", "ht_\x00_\xff", "_", "", "ht", " ", "ht_a\u2028_b"])
def test_whatever_a_caller_sends_is_no_token(file: Path, text: str) -> None:
    add_token(file, new_token("search", [Scope.READ]).token)
    tokens = Tokens(file)

    assert tokens.find(f"Bearer {text}") is None
    assert tokens.find(text) is None


def test_a_revoked_token_stays_in_the_file_and_its_neighbours_as_they_were(file: Path) -> None:
    first, second = (new_token(name, [Scope.READ]).token for name in ("one", "two"))
    file.write_text("# who may call\n\n")
    file.chmod(0o640)
    add_token(file, first)
    add_token(file, second)
    before = file.read_text().splitlines()

    revoked = revoke_token(file, first.id)

    after = file.read_text().splitlines()
    assert [line for line, old in zip(after, before, strict=True) if line == old] == [*before[:2], before[3]]
    assert read_tokens(file) == {first.id: revoked, second.id: second}
    assert file.stat().st_mode & 0o777 == 0o640
    assert not revoked.is_valid(datetime.now(UTC))
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(TokensFileError, match="was revoked before"):
        revoke_token(file, first.id)
    with pytest.raises(TokensFileError, match="no token nobody; `hangtag token list`"):
        revoke_token(file, "nobody")


def test_a_link_to_the_file_stays_a_link(file: Path) -> None:
    link = file.parent / "link"
    link.symlink_to(file)
    file.touch()

    add_token(link, new_token("search", [Scope.READ]).token)

    assert link.is_symlink()
    assert len(read_tokens(file)) == 1


def test_changes_at_the_same_time_are_all_kept(file: Path) -> None:
    made = [new_token(f"client-{number}", [Scope.READ]).token for number in range(20)]
    threads = [threading.Thread(target=add_token, args=(file, each)) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert read_tokens(file) == {each.id: each for each in made}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: Invalid JSON.*correct or remove the line"),
        ('{"id": "a"}', "line 2: client: Field required"),
        ("{}", "line 2: .*Field required"),
        ("same", "line 2: the id .* is there twice"),
        ("typo", "line 2: cals_per_s: Extra inputs"),
    ],
)
def test_a_wrong_line_is_named(file: Path, line: str, message: str) -> None:
    made = new_token("search", [Scope.READ]).token
    same = made.model_dump_json()
    lines = {"same": same, "typo": same.replace("calls_per_s", "cals_per_s")}
    file.write_text(f"{same}\n{lines.get(line, line)}\n")

    with pytest.raises(TokensFileError, match=f"{file}: {message}"):
        read_tokens(file)
    # And nothing is written into such a file.
    with pytest.raises(TokensFileError, match=message):
        add_token(file, new_token("other", [Scope.READ]).token)


def test_a_file_without_tokens_is_an_error(file: Path) -> None:
    with pytest.raises(TokensFileError, match="No such file or directory; make it with `hangtag token new`"):
        read_tokens(file)
    file.write_text("# nobody\n")
    with pytest.raises(TokensFileError, match="holds no token; make one with `hangtag token new`"):
        read_tokens(file)
    file.write_bytes(b"\xff")
    with pytest.raises(TokensFileError, match="not UTF-8"):
        read_tokens(file)


@pytest.mark.parametrize("client", ["", "a b", "(unknown)", "-a", "a" * 65, "a\n", "ü"])
def test_names_of_clients_that_metrics_could_not_show_are_refused(client: str) -> None:
    with pytest.raises(ValueError, match="client"):
        new_token(client, [Scope.READ])


def test_when_a_token_ends() -> None:
    now = datetime.now(UTC)
    before, after = now - timedelta(seconds=1), now + timedelta(days=1)
    plain = new_token("search", [Scope.READ]).token

    def changed(**dates: datetime) -> Token:
        return plain.model_copy(update=dates)

    assert plain.is_valid(now)
    assert changed(expires=after).is_valid(now)
    assert not changed(expires=now).is_valid(now)
    assert not changed(expires=after, revoked=before).is_valid(now)
