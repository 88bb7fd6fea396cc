"""Which node of a cluster serves which key, and the addresses of clusters in settings."""

import pytest
from redis.crc import key_slot

from hangtag.settings import RedisSettings
from hangtag.store import RedisTagStore, StoreMismatchError
from hangtag.store.client import Connector, Node
from hangtag.store.keys import lookup_keys, product_key, rebuild_key_of, rebuild_keys, seen_key
from hangtag.store.topology import Topology, slot_of

A, B, C = Node("a", 1), Node("b", 2), Node("c", 3)


@pytest.mark.parametrize("product", ["p", "{other}", "}{", "Schlüssel", ""])
def test_all_keys_of_a_bucket_are_in_the_slot_that_the_store_computes(product: str) -> None:
    keys = [product_key(product, 64), seen_key(product, 64), rebuild_key_of(product_key(product, 64))]

    assert lookup_keys([product], 64) == keys[:2]
    assert keys[2] in rebuild_keys(64)
    assert {slot_of(key) for key in keys} == {key_slot(key.encode()) for key in keys} == {slot_of(keys[0])}
    assert slot_of("ht:meta") == key_slot(b"ht:meta")


def test_nodes_are_found_by_slot_and_a_node_without_a_name_is_where_it_was_asked() -> None:
    topology = Topology([C, C])
    assert (topology.primaries, topology.primary_of(0), topology.nodes()) == ([], None, [C])

    topology.take(
        [[0, 9, [None, 1, b"id"], [b"b", 2, b"id"]], [20, 29, [b"?", 1, b"id"]], [10, 19, [b"c", 3, b"id"]]], A
    )

    assert [topology.primary_of(slot) for slot in (0, 9, 10, 20, 29, 30)] == [A, A, C, A, A, None]
    assert (topology.primaries, topology.nodes()) == ([A, C], [A, C, B])


def test_a_replica_of_several_ranges_is_one_replica() -> None:
    topology = Topology([A])

    topology.take([[0, 9, [b"a", 1], [b"b", 2]], [20, 29, [b"a", 1], [b"b", 2]]], A)

    assert topology.replicas_of == {A: [B]}


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_nodes_of_a_url_share_user_password_and_options(scheme: str) -> None:
    connector = Connector(RedisSettings(url=f"{scheme}://user:pass%2Cword@a:1, [::1]:2,c/0?health_check_interval=5"))

    assert connector.nodes == [A, Node("::1", 2), Node("c", 6379)]
    made = connector.connection(B)
    assert (made.host, made.port) == ("b", 2)
    assert made.credential_provider.get_credentials() == ("user", "pass,word")
    assert made.health_check_interval == 5
    assert Connector(RedisSettings(url=f"{scheme}://a:1")).nodes == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://a:1,b:2/3", "no other database than 0"),
        ("redis://user:hun/ter2@a:1,b:2/0", "cannot be read"),
        ("redis://a:1,b:port/0", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_that_of_a_cluster_says_what_to_write(url: str, message: str) -> None:
    with pytest.raises(
        StoreMismatchError, match=f"HANGTAG_REDIS__URL.*{message}|{message}.*HANGTAG_REDIS__URL"
    ) as caught:
        RedisTagStore(RedisSettings(url=url))
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(("address", "node"), [("a:1", A), (" [::1]:2 ", Node("::1", 2))])
def test_an_address_of_a_replica_is_read(address: str, node: Node) -> None:
    assert Node.parse(address) == node
