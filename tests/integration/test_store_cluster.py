"""The store in a cluster of six real nodes."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from hangtag.models import Pointer, PointerRecord
from hangtag.settings import RedisSettings
from hangtag.store import (
    Arrival,
    Outcome,
    PartlyReadError,
    RebuildStore,
    RedisTagReader,
    RedisTagStore,
    Reply,
    RetagStore,
    Stored,
    StoreError,
    StoreMismatchError,
    StoreSurvey,
    StoreWentBackError,
)
from hangtag.store.keys import bucket_of, product_key
from hangtag.store.topology import slot_of
from hangtag.telemetry.clock import SystemClock
from hangtag.workers.retrying_store import RetryingStore
from tests.cluster import Cluster, running_cluster, until
from tests.forwarder import forwarding
from tests.integration.test_store_access import PAGE, rules_of_the_page, use_as_server, use_as_worker
from tests.store_behaviour import tags

IDS = [f"product-{number}" for number in range(300)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def filled(cluster: Cluster) -> Cluster:
    """All nodes have products, at least of version 2."""
    with closing(RedisTagStore(cluster.settings)) as store:
        store.write([tags(2, product=product) for product in IDS])
    return cluster


def test_the_pointer_of_each_route_stays_the_latest(cluster: Cluster) -> None:
    with PointerRecord(cluster.settings) as record:
        for route in ("default", "de", "fr"):
            made = [Pointer(route, sequence, "a" * 64, "b" * 64, (), 1, 2) for sequence in (1, 2)]
            assert [record.write(made[1]), record.write(made[0])] == [True, False]
            assert record.read(route) == made[1]


def test_products_of_all_slots_are_written_and_read(cluster: Cluster) -> None:
    store, reader, survey = (kind(cluster.settings) for kind in (RedisTagStore, RedisTagReader, StoreSurvey))

    assert store.write([tags(2, product=product) for product in IDS]) == [Reply(Outcome.WRITTEN)] * len(IDS)
    assert store.write([tags(1, product=product) for product in IDS]) == [Reply(Outcome.OLDER)] * len(IDS)
    store.mark_seen([Arrival(product, 3) for product in IDS])
    found = reader.read([*IDS, "another"]).stored

    assert [stored.version for stored in found] == [2] * len(IDS) + [None]
    assert {cluster.owner_of(product_key(product, 64)) for product in IDS} == {0, 1, 2}
    assert store.read(IDS) == [tags(2, product=product) for product in IDS]
    assert reader.check() == survey.check() == store.check()
    assert sorted(product for products in survey.product_ids() for product in products) == sorted(IDS)
    for each in (store, reader, survey):
        each.close()


def test_a_survey_without_some_of_the_slots_is_refused(filled: Cluster) -> None:
    # No product is in it, so that nothing is lost with it.
    slot = 0
    assert slot not in {slot_of(product_key(product, 64)) for product in IDS}
    for client in filled.clients:
        client.execute_command("CLUSTER", "DELSLOTS", slot)
    try:
        with closing(StoreSurvey(filled.settings)) as survey, pytest.raises(StoreError, match="slot 0 is not served"):
            list(survey.product_ids())
    finally:
        filled.clients[0].execute_command("CLUSTER", "ADDSLOTS", slot)
        until(filled.is_complete)


def test_a_server_outside_a_cluster_is_not_taken_for_a_node(valkey_url: str) -> None:
    address = valkey_url.removeprefix("redis://").removesuffix("/0")
    store = RedisTagStore(RedisSettings(url=f"redis://{address},{address}/0"))

    with pytest.raises(StoreMismatchError, match="is not a node of a cluster; set HANGTAG_REDIS__URL to one address"):
        store.check()
    store.close()


def test_a_node_that_does_not_answer_fails_only_its_own_products(filled: Cluster) -> None:
    reader = RedisTagReader(filled.settings.model_copy(update={"timeout_ms": 200}))
    reader.check()
    silent = filled.nodes[1].child.pid
    os.kill(silent, signal.SIGSTOP)
    try:
        with pytest.raises(PartlyReadError, match=f"{filled.nodes[1].port} does not answer") as caught:
            reader.read(IDS)
        with pytest.raises(PartlyReadError) as at_once:
            reader.read(IDS)
    finally:
        os.kill(silent, signal.SIGCONT)

    for each in (caught.value, at_once.value):
        is_there = [stored is not None for stored in each.stored]
        assert is_there == [filled.owner_of(product_key(product, 64)) != 1 for product in IDS]
    until(lambda: all(stored.version for stored in reader.read(IDS).stored), StoreError)
    reader.close()


def test_a_server_stays_usable_while_the_node_with_the_record_of_the_store_is_away(filled: Cluster) -> None:
    hasty = filled.settings.model_copy(update={"timeout_ms": 200})
    reader = RedisTagReader(hasty)
    state = reader.check()
    silent = filled.nodes[filled.owner_of("ht:meta")].child.pid
    os.kill(silent, signal.SIGSTOP)
    try:
        assert reader.check() == state
        with pytest.raises(PartlyReadError):
            reader.read(IDS)
        with closing(RedisTagReader(hasty)) as new, pytest.raises(StoreError):
            new.check()
    finally:
        os.kill(silent, signal.SIGCONT)
    until(lambda: reader.read(IDS) is not None, StoreError)
    assert reader.check() == state
    reader.close()


def test_nodes_that_answer_later_are_found(filled: Cluster) -> None:
    with forwarding(filled.nodes[0].port) as first, forwarding(filled.nodes[2].port) as second:
        url = f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}/0"
        reader = RedisTagReader(RedisSettings(url=url, timeout_ms=100))
        for name in (first, second):
            name.stall()
        for _ in range(2):
            with pytest.raises(StoreError, match="does not answer"):
                reader.read(IDS)
        for name in (first, second):
            name.flow()

        until(lambda: all(stored.version for stored in reader.read(IDS).stored), StoreError)
        reader.close()


def test_slots_that_move_are_followed(filled: Cluster) -> None:
    store, reader = (
        RetryingStore(RedisTagStore(filled.settings), 20, threading.Event()),
        RedisTagReader(filled.settings),
    )
    source = filled.owner_of(product_key(IDS[0], 64))
    target = (source + 1) % 3
    others = [each for each in IDS if bucket_of(each, 64) == bucket_of(IDS[0], 64)]
    before = reader.read(IDS).stored
    slot = slot_of(product_key(IDS[0], 64))
    with filled.moving(slot, source, target) as keys, ThreadPoolExecutor() as threads:
        filled.migrate(keys[: len(keys) // 2], source, target)
        # Some of the slot's keys are here, others there.
        assert reader.read(IDS).stored == before
        writing = threads.submit(store.write, [tags(50, product=each) for each in others])
        filled.migrate(keys, source, target)
        assert writing.result() == [Reply(Outcome.WRITTEN)] * len(others)

    assert {stored.version for stored in reader.read(others).stored} == {50}
    with filled.moving(slot, target, source) as keys:
        filled.migrate(keys, target, source)
    assert store.write([tags(50, product=each) for each in others]) == [Reply(Outcome.SAME)] * len(others)
    for each in (store, reader):
        each.close()


def test_look_ups_are_read_from_the_replicas_of_all_nodes(filled: Cluster) -> None:
    reader = RedisTagReader(filled.settings.model_copy(update={"read_from": "replica", "replica_lag_ms": 10_000}))

    def asked_of_primaries() -> int:
        before = sum(map(filled.reads, range(3)))
        found = reader.read(IDS, primary=False)
        assert all(stored.version for stored in found.stored)
        assert found.as_of_ms <= SystemClock().wall_ms()
        return sum(map(filled.reads, range(3))) - before

    until(lambda: asked_of_primaries() == 0)
    os.kill(filled.nodes[4].child.pid, signal.SIGSTOP)
    try:
        assert asked_of_primaries() > 0
    finally:
        os.kill(filled.nodes[4].child.pid, signal.SIGCONT)
    until(lambda: asked_of_primaries() == 0)
    reader.close()


def test_users_need_what_the_page_says(filled: Cluster) -> None:
    def config(user: str, *more: str, **changed: str) -> RedisSettings:
        for client in filled.clients:
            rules = [*rules_of_the_page(user), "+cluster|slots", "+asking", *more]
            client.execute_command("ACL", "SETUSER", user, "reset", "on", ">secret", *rules)
        url = filled.settings.url.get_secret_value().replace("//", f"//{user}:secret@")
        return RedisSettings(url=url, **changed)

    use_as_worker(config("worker"))
    use_as_server(config("server"))
    with closing(RedisTagReader(config("server", "+info", "+readonly", read_from="replica"))) as reader:
        before = filled.reads(3)
        until(lambda: reader.read(IDS, primary=False) is not None and filled.reads(3) > before)
    with closing(StoreSurvey(config("verify"))) as survey:
        survey.check()
        assert {IDS[0], "p"} <= {product for products in survey.product_ids() for product in products}
        assert survey.read(["p"]) != [None]
    assert "`+cluster|slots +asking`" in PAGE.read_text("utf-8")
    assert "`+info +readonly`" in PAGE.read_text("utf-8")


def test_a_node_that_loses_its_data_is_noticed_and_rebuilt(filled: Cluster) -> None:
    store, rebuild = RedisTagStore(filled.settings), RebuildStore(filled.settings)
    before = store.check()
    assert rebuild.begin("topic", [0]) == {}
    rebuild.note({0: 7})
    rebuild.save()
    emptied = (filled.owner_of("ht:meta") + 1) % 3
    filled.clients[emptied].flushall()

    found = store.check()

    assert (before.emptied_ms, found.emptied_ms is None) == (None, False)
    assert found.identity != before.identity
    with pytest.raises(StoreWentBackError):
        rebuild.write([tags(60, product=product) for product in IDS])
    assert rebuild.begin("topic", [0]) == {}
    rebuild.write([tags(60, product=product) for product in IDS])
    rebuild.end()
    assert (store.check().emptied_ms, store.identity) == (None, found.identity)
    assert {stored.version for stored in store.read(IDS) if stored} == {60}
    for each in (store, rebuild):
        each.close()


def test_what_a_retag_replaces_is_kept_on_every_node(filled: Cluster) -> None:
    with closing(RetagStore(filled.settings, "01" * 8)) as store:
        replies = store.write([tags(60, product=product, sequence=1) for product in [*IDS, "another"]])

        assert [reply.outcome for reply in replies] == [Outcome.WRITTEN] * len(IDS) + [Outcome.GONE]
        kept = {former.entry.product_id for found in store.formers() for former in found}
        assert kept == set(IDS)
        store.drop_formers(IDS)
        assert not any(store.formers())


def test_a_rebuild_goes_on_from_what_all_nodes_have(filled: Cluster) -> None:
    rebuild = RebuildStore(filled.settings)
    rebuild.begin("another topic", [0, 1])
    rebuild.note({0: 5, 1: 3})
    rebuild.save()
    rebuild.note({0: 9})
    rebuild.write([tags(61, product=IDS[0])])  # saves 9 in one bucket only

    assert rebuild.begin("another topic", [0, 1]) == {0: 5, 1: 3}
    rebuild.save()
    rebuild.end()
    assert rebuild.begin("another topic", [0, 1]) == {}
    rebuild.close()


def test_a_node_that_is_killed_under_load_costs_nothing(cluster: Cluster) -> None:
    store = RetryingStore(RedisTagStore(cluster.settings), 20, threading.Event())
    reader = RedisTagReader(cluster.settings)
    told = dict.fromkeys(IDS, 0)
    written = threading.Event()
    backwards, away = [], 0

    def write() -> None:
        try:
            for version in range(100, 130):
                store.write([tags(version, product=product) for product in IDS])
                if version == 102:
                    cluster.kill(0)
        finally:
            written.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not written.is_set():
        try:
            found: Sequence[Stored | None] = reader.read(IDS).stored
        except PartlyReadError as error:
            found, away = error.stored, away + 1
        for product, stored in zip(IDS, found, strict=True):
            if stored is None:
                continue
            version = stored.version or 0
            if version < told[product]:
                backwards.append((product, told[product], version))
            told[product] = version
    writer.join()

    assert away > 0
    assert backwards == []
    assert [stored.version for stored in reader.read(IDS).stored] == [129] * len(IDS)
    reader.close()
    store.close()
