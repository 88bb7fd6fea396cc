"""Where tokens come from."""

import os

import pytest

from hangtag.client import SettingError
from hangtag.client import tokens as tokens_module
from hangtag.client.tokens import tokens_of


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def test_a_token_itself_never_changes():
    assert tokens_of(None).metadata() == ()
    assert tokens_of("ht_1_a").metadata() == bearer("ht_1_a")
    assert not tokens_of("ht_1_a").refresh(bearer("ht_1_a"))


def test_each_call_that_was_refused_with_an_old_token_of_a_file_gets_the_new_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tokens_module, "_LOOK_EVERY_S", 1_000)
    path = tmp_path / "token"
    path.write_text("ht_1_a\n")
    tokens = tokens_of(path)
    path.write_text("ht_1_bcd")

    assert tokens.metadata() == bearer("ht_1_a")
    # Two calls were sent with the old one, and the second learns of it after the first has read the file.
    assert [tokens.refresh(bearer("ht_1_a")) for _ in range(2)] == [True, True]
    assert tokens.metadata() == bearer("ht_1_bcd")
    assert not tokens.refresh(bearer("ht_1_bcd"))


@pytest.mark.parametrize("damage", ["", "two words", "ht_1_ü"])
def test_a_damaged_file_leaves_the_last_good_token_in_use(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(tokens_module, "_LOOK_EVERY_S", 0)
    path = tmp_path / "token"
    path.write_text("ht_1_a")
    tokens = tokens_of(path)

    path.write_text(damage)
    assert tokens.metadata() == bearer("ht_1_a")
    path.unlink()
    assert tokens.metadata() == bearer("ht_1_a")
    path.write_text("ht_1_b")
    assert tokens.metadata() == bearer("ht_1_b")
    before = path.stat()
    path.write_text("ht_1_c")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert tokens.metadata() == bearer("ht_1_c")


def test_a_function_is_asked_each_time():
    given = iter(["ht_1_a", "ht_1_a", "ht_1_b", "no token"])
    tokens = tokens_of(lambda: next(given))

    assert tokens.metadata() == bearer("ht_1_a")
    assert not tokens.refresh(bearer("ht_1_a"))
    assert tokens.refresh(bearer("ht_1_a"))
    with pytest.raises(SettingError, match="what the function returned is not a token") as caught:
        tokens.metadata()
    assert "no token" not in str(caught.value)
