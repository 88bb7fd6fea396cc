"""What the store allows: users of its own, permissions revoked later, policies of eviction, foreign keys."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from hangtag.cli.local import start_valkey
from hangtag.settings import RedisSettings
from hangtag.settings.secret_file import SecretFile
from hangtag.store import (
    Arrival,
    Outcome,
    PartitionProgress,
    ProgressReader,
    RebuildStore,
    RedisTagReader,
    RedisTagStore,
    Reply,
    RetagRun,
    RetagStore,
    StoreDeniedError,
    StoreError,
    StoreMismatchError,
    StoreSurvey,
)
from hangtag.store.keys import product_key, seen_key
from tests.store_behaviour import OLD_BUNDLE, deletion, tags

PROGRESS = PartitionProgress(3, 5, 9, 2, 0, 7.5, (), "worker", 1_700_000_000_000)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey.port


@pytest.fixture
def admin(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as admin:
        admin.flushall()
        yield admin
        admin.config_set("maxmemory", "0")
        admin.config_set("maxmemory-policy", "noeviction")
        admin.execute_command("ACL", "DELUSER", "worker", "server", "verify")


def rules_of_the_page(user: str) -> list[str]:
    """What the page says that a user needs."""
    (line,) = re.findall(rf"ACL SETUSER {user} on >secret (.*)", PAGE.read_text("utf-8"))
    return line.split()


def allow(admin: redis.Redis, user: str, *rules: str) -> RedisSettings:
    admin.execute_command("ACL", "SETUSER", user, "reset", "on", ">secret", *rules)
    port = admin.connection_pool.connection_kwargs["port"]
    return RedisSettings(url=f"redis://{user}:secret@127.0.0.1:{port}/0")


def use_as_worker(config: RedisSettings) -> None:
    """Everything that a worker and `hangtag rebuild` do with the store."""
    store = RebuildStore(config)
    try:
        store.begin("topic", [0])
        store.mark_seen([Arrival("p", 1), Arrival("p", 1)])
        store.mark_refused([Arrival("p", 1)])
        store.publish({0: PROGRESS})
        store.write([tags(1), tags(1, revision=2), deletion(1, "q")])
        assert store.write([tags(1, OLD_BUNDLE, revision=1)])[0].outcome is Outcome.DECIDED
        assert store.read(["p"]) == [tags(1, revision=2)]
        store.expect(["another"])
        assert store.check().emptied_ms is not None
        store.note({0: 3})
        store.end()
        assert store.eviction_policy == "noeviction"
    finally:
        store.close()


def use_as_server(config: RedisSettings) -> None:
    with closing(RedisTagReader(config)) as reader, closing(ProgressReader(config)) as progress:
        reader.check()
        reader.read(["p", "q"])
        progress.read()


def use_for_verify(config: RedisSettings) -> None:
    survey = StoreSurvey(config)
    try:
        survey.check()
        assert survey.read(["p"]) == [None]
        assert list(survey.product_ids()) == [[]]
    finally:
        survey.close()


def use_for_retag(config: RedisSettings) -> None:
    """Everything that `hangtag retag`, `undo` and `finalize` do with the store."""
    with closing(RetagStore(config, "01" * 8)) as store, closing(ProgressReader(config)) as progress:
        store.check()
        store.expect(["another"])
        progress.read()
        with closing(RedisTagStore(config)) as worker:
            worker.write([tags(1)])
            worker.mark_seen([Arrival("p", 2)])
        store.take_over(RetagRun("01" * 8, {}, "b" * 64, 1, 1))
        store.note_writing(["p"])
        store.note(RetagRun("01" * 8, {}, "b" * 64, 1, 1))
        assert store.write([tags(1, sequence=1)])[0].outcome is Outcome.WRITTEN
        assert store.read(store.writing()) == [tags(1, sequence=1)]
        assert [former.entry for found in store.formers() for former in found] == [tags(1)]
        store.drop_formers(["p"])
        store.forget()
        assert store.eviction_policy == "noeviction"


@pytest.mark.parametrize(
    ("user", "use"),
    [("worker", use_as_worker), ("server", use_as_server), ("verify", use_for_verify), ("retag", use_for_retag)],
)
def test_a_user_needs_exactly_what_the_page_lists(admin: redis.Redis, user: str, use) -> None:
    rules = rules_of_the_page(user)
    use(allow(admin, user, *rules))

    for rule in rules:
        admin.flushall()
        admin.script_flush()
        config = allow(admin, user, *(each for each in rules if each != rule))
        with pytest.raises((StoreDeniedError, AssertionError)):
            use(config)


def test_without_info_the_policy_is_unknown_and_the_store_is_used(admin: redis.Redis) -> None:
    rules = [rule for rule in rules_of_the_page("worker") if rule != "+info"]
    store = RedisTagStore(allow(admin, "worker", *rules))

    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
    assert store.eviction_policy == ""
    store.close()


@pytest.mark.parametrize("revoked", ["-hmget", "-evalsha", "-set", "-getrange", "resetkeys"])
def test_a_permission_that_is_revoked_later_is_named_for_a_writer(admin: redis.Redis, revoked: str) -> None:
    config = allow(admin, "worker", *rules_of_the_page("worker"))
    store = RedisTagStore(config)
    store.write([tags(1)])
    admin.execute_command("ACL", "SETUSER", "worker", revoked)

    with pytest.raises(StoreDeniedError, match=r"denies access: .*docs/operations\.md") as caught:
        store.write([tags(2)])

    assert "format" not in str(caught.value)
    store.close()


@pytest.mark.parametrize("revoked", ["-hmget", "-mget", "resetkeys"])
def test_a_permission_that_is_revoked_later_is_named_for_a_reader(admin: redis.Redis, revoked: str) -> None:
    config = allow(admin, "server", *rules_of_the_page("server"))
    with_data = RedisTagStore(allow(admin, "worker", *rules_of_the_page("worker")))
    with_data.write([tags(1)])
    with_data.close()

    with closing(RedisTagReader(config)) as reader:
        reader.read(["p"])
        admin.execute_command("ACL", "SETUSER", "server", revoked)

        def use() -> None:
            reader.check()
            reader.read(["p"])

        with pytest.raises(StoreDeniedError, match=r"denies access: .*docs/operations\.md") as caught:
            use()
    assert "format" not in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "cost"),
    [("allkeys-lru", "drops tags.*rebuild"), ("volatile-ttl", "drops marks of deletions.*deleted product back")],
)
def test_a_policy_that_evicts_is_refused_with_what_it_costs(admin: redis.Redis, policy: str, cost: str) -> None:
    config = allow(admin, "worker", *rules_of_the_page("worker"))
    admin.config_set("maxmemory-policy", policy)
    unlimited = RedisTagStore(config)
    unlimited.check()  # without a limit nothing is evicted
    admin.config_set("maxmemory", "1gb")
    store = RedisTagStore(config)

    with pytest.raises(StoreMismatchError, match=f"maxmemory-policy {policy}: .*{cost}.*noeviction"):
        store.write([tags(1)])

    admin.config_set("maxmemory-policy", "noeviction")
    assert store.write([tags(1)]) == [Reply(Outcome.WRITTEN)]
    for each in (store, unlimited):
        each.close()


def test_a_full_store_says_what_to_raise(admin: redis.Redis) -> None:
    config = allow(admin, "worker", *rules_of_the_page("worker"))
    store = RedisTagStore(config)
    store.check()
    admin.config_set("maxmemory", "1")

    with pytest.raises(StoreError, match="is full: .*raise its maxmemory") as caught:
        store.write([tags(1)])

    assert not isinstance(caught.value, StoreMismatchError)
    store.close()


def test_a_key_of_another_type_is_replaced_and_named_and_its_neighbours_are_written(
    admin: redis.Redis, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    config = allow(admin, "worker", *rules_of_the_page("worker"))
    store = RedisTagStore(config)
    for key in (product_key("p", 64), seen_key("p", 64)):
        admin.rpush(key, "of another program")

    assert store.read(["p", "q"]) == [None, None]
    use_as_server(allow(admin, "server", *rules_of_the_page("server")))
    store.mark_seen([Arrival("q", 1), Arrival("p", 1)])
    assert store.write([tags(1, product="q"), tags(1)]) == [Reply(Outcome.WRITTEN)] * 2

    assert store.read(["p", "q"]) == [tags(1), tags(1, product="q")]
    assert store.write([tags(1)]) == [Reply(Outcome.SAME)]
    named = caplog.text + "".join(capsys.readouterr())
    assert product_key("p", 64) in named
    assert seen_key("p", 64) in named
    store.close()


@pytest.mark.parametrize("part", ["password", "url"])
def test_a_rotated_password_is_used_by_the_next_connection(admin: redis.Redis, tmp_path: Path, part: str) -> None:
    rules = rules_of_the_page("worker")
    file, port = tmp_path / "secret", admin.connection_pool.connection_kwargs["port"]

    def content(password: str) -> str:
        return password if part == "password" else f"redis://worker:{password}@127.0.0.1:{port}/0\n"

    allow(admin, "worker", *rules)
    file.write_text(content("secret"))
    url = {"url": f"redis://worker@127.0.0.1:{port}/0"} if part == "password" else {}
    with closing(RedisTagStore(RedisSettings(**{**url, part: SecretFile(file)}))) as store:
        store.write([tags(1)])
        admin.execute_command("ACL", "SETUSER", "worker", "resetpass", ">other")
        admin.execute_command("CLIENT", "KILL", "USER", "worker")
        with pytest.raises(StoreDeniedError) as caught:
            store.read(["p"])
        assert "secret" not in str(caught.value).replace(str(file), "")

        file.write_text(content("other"))
        assert store.read(["p"]) == [tags(1)]


HOSTILE_IDS = [
    "p\r\nFLUSHALL\r\n",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "0}:p",
    "{1}",
    "a b\x00c",
    "ht:meta",
    "') redis.call('FLUSHALL') --",
]


def test_ids_are_never_commands_scripts_or_other_keys(admin: redis.Redis) -> None:
    config = allow(admin, "worker", *rules_of_the_page("worker"))
    admin.set("of another program", "kept")
    with closing(RedisTagStore(config)) as store:
        store.write([tags(1)])
        meta = admin.hgetall("ht:meta")
        store.mark_seen([Arrival(product, 2) for product in HOSTILE_IDS])
        store.write([tags(2, product=product) for product in HOSTILE_IDS])

        assert store.read(["p", *HOSTILE_IDS]) == [tags(1), *(tags(2, product=product) for product in HOSTILE_IDS)]
    assert admin.get("of another program") == b"kept"
    assert admin.hgetall("ht:meta") == meta
    assert all(key.startswith(b"ht:p:{") for key in admin.scan_iter("ht:p*"))


def test_a_meta_key_of_another_program_is_named(admin: redis.Redis) -> None:
    admin.set("ht:meta", "of another program")
    config = allow(admin, "worker", *rules_of_the_page("worker"))

    for use in (use_as_server, lambda config: RedisTagStore(config).check()):
        with pytest.raises(StoreMismatchError, match="ht:meta .* belongs to another program"):
            use(config)
