"""A store that does not answer, and addresses and passwords that are wrong."""

import socket
from contextlib import closing

import pytest

from hangtag.settings import RedisSettings
from hangtag.store import RedisTagReader, RedisTagStore, StoreError, StoreMismatchError
from tests.store_behaviour import tags


def read(config: RedisSettings) -> None:
    with closing(RedisTagReader(config)) as reader:
        reader.read(["p"])


def test_dead_port_is_a_store_error_without_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    config = RedisSettings(url=f"redis://user:hunter2@127.0.0.1:{port}/0")

    for call in (lambda: RedisTagStore(config).write([tags(1)]), lambda: read(config)):
        with pytest.raises(StoreError, match=f"127.0.0.1:{port} does not answer") as caught:
            call()
        assert "hunter2" not in str(caught.value)
        assert "HANGTAG_REDIS__URL" in str(caught.value)
        assert not isinstance(caught.value, StoreMismatchError)


def test_silent_server_is_a_store_error_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = RedisSettings(url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout_ms=200)
        for call in (lambda: RedisTagStore(config).write([tags(1)]), lambda: read(config)):
            with pytest.raises(StoreError, match="does not answer"):
                call()


@pytest.mark.parametrize("url", ["http://cache:6379", "redis://:hun/ter2@cache:6379"])
def test_url_that_cannot_be_read_says_what_to_write(url: str) -> None:
    for kind in (RedisTagStore, RedisTagReader):
        with pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__URL") as caught:
            kind(RedisSettings(url=url))
        assert "ter2" not in str(caught.value)


@pytest.mark.parametrize("options", ["no_such=hunter2", "protocol=9"])
@pytest.mark.parametrize("start", ["redis://cache:6379", "rediss://cache:6379", "unix:///run/cache.sock"])
def test_an_option_of_the_url_that_does_not_exist_is_named_at_once(start: str, options: str) -> None:
    for kind in (RedisTagStore, RedisTagReader):
        kind(RedisSettings(url=start))
        with pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__URL has an option") as caught:
            kind(RedisSettings(url=f"{start}?{options}"))
        assert "hunter2" not in str(caught.value)


def test_a_wrong_password_is_not_retried(valkey_url: str) -> None:
    config = RedisSettings(url=valkey_url.replace("//", "//nobody:hunter2@"))

    for call in (lambda: RedisTagStore(config).write([tags(1)]), lambda: read(config)):
        with pytest.raises(StoreMismatchError, match="set the user in HANGTAG_REDIS__URL") as caught:
            call()
        assert "hunter2" not in str(caught.value)
