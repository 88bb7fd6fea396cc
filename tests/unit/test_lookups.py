"""Look-ups are answered in lists, each with one read of the store."""

from collections.abc import Sequence

import grpc

from hangtag.server.cached_reader import MAX_PRODUCTS
from hangtag.server.errors import CallError, Reason
from hangtag.server.look_up import parse_get
from hangtag.server.lookups import Answer
from hangtag.store import Found, PartlyReadError, Seen, Stored, StoreError
from hangtag.telemetry.clock import SystemClock
from hangtag.v1 import tags_pb2
from tests.unit.look_up_parts import Reader, batch, get, ids, lookups, parse_batch


def found(answer: Answer) -> list[str]:
    """The ids of the products in a reply that have tags."""
    assert isinstance(answer, bytes)
    products = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
    return [each.product_id for each in products if each.version]


def test_a_list_of_look_ups_is_one_read_without_repeated_products() -> None:
    reader = Reader()
    look_ups = [parse_get(get("a")), parse_batch(batch(["b", "a", "b"])), parse_get(get("a")), parse_get(get("c"))]

    one, many, again, last = lookups(reader).answer(look_ups)

    assert reader.reads == [["a", "b", "c"]]
    assert one == again
    assert found(many) == ["b", "a", "b"]
    assert tags_pb2.GetProductTagsResponse.FromString(last).product_id == "c"


def test_more_products_than_a_read_takes_are_read_in_several() -> None:
    reader = Reader()
    products = ids("p", 1_000)

    (answer,) = lookups(reader).answer([parse_batch(batch(products))])

    assert found(answer) == products
    assert [len(each) for each in reader.reads] == [MAX_PRODUCTS, MAX_PRODUCTS]
    times = [each.as_of.ToMilliseconds() for each in tags_pb2.BatchGetProductTagsResponse.FromString(answer).products]
    assert times == [1_000] * MAX_PRODUCTS + [2_000] * MAX_PRODUCTS


def test_an_unknown_product_fails_a_single_look_up_and_is_an_entry_of_a_batch() -> None:
    reader = Reader()
    reader.missing = {"gone"}

    single, many = lookups(reader).answer([parse_get(get("gone")), parse_batch(batch(["gone", "p"]))])

    assert isinstance(single, CallError)
    assert single.reason is Reason.PRODUCT_UNKNOWN
    assert found(many) == ["p"]


def test_a_store_that_cannot_be_read_fails_every_look_up_of_the_list() -> None:
    reader = Reader()
    reader.error = StoreError("gone")
    answers = lookups(reader).answer([parse_get(get("a")), parse_batch(batch(["b"]))])
    assert [answer.reason for answer in answers] == [Reason.STORE_UNAVAILABLE] * 2

    reader.error = None
    assert isinstance(lookups(reader).answer([parse_get(get("a"))])[0], bytes)


def test_an_unexpected_error_is_an_answer_too() -> None:
    reader = Reader()
    reader.stored = lambda _: None  # type: ignore[assignment,return-value]

    (answer,) = lookups(reader).answer([parse_get(get("a"))])

    assert isinstance(answer, CallError)
    assert answer.reason is Reason.INTERNAL_ERROR


def test_a_refused_product_is_not_found_for_a_reason_of_its_own_and_an_entry_of_a_batch() -> None:
    reader = Reader()
    reader.stored = lambda _: Stored(b"", None, Seen(7, refused=7))  # type: ignore[assignment]

    single, many = lookups(reader).answer([parse_get(get("p")), parse_batch(batch(["p"]))])

    assert isinstance(single, CallError)
    assert single.reason is Reason.PRODUCT_REFUSED
    assert single.code is grpc.StatusCode.NOT_FOUND
    assert "version 7" in single.message
    assert isinstance(many, bytes)
    (entry,) = tags_pb2.BatchGetProductTagsResponse.FromString(many).products
    assert (entry.freshness, entry.known_version) == (tags_pb2.FRESHNESS_UNKNOWN, 7)
    assert entry.freshness_reason == tags_pb2.FRESHNESS_REASON_VERSION_REFUSED


def test_a_batch_has_a_min_version_for_each_product() -> None:
    raw = tags_pb2.BatchGetProductTagsRequest(product_ids=["a", "b"], min_versions=[1, 2]).SerializeToString()

    (answer,) = lookups(Reader()).answer([parse_batch(raw)])

    assert isinstance(answer, bytes)
    first, second = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
    assert first.freshness == tags_pb2.FRESHNESS_FRESH
    assert second.freshness == tags_pb2.FRESHNESS_STALE
    assert second.freshness_reason == tags_pb2.FRESHNESS_REASON_VERSION_NOT_RECEIVED


def test_without_the_store_what_was_read_before_is_stale_and_other_products_fail() -> None:
    reader = Reader()
    reader.missing = {"gone"}
    reader.now_ms = as_of_ms = SystemClock().wall_ms() - 100
    answering = lookups(reader)
    answering.answer([parse_batch(batch(["a", "gone"]))])
    reader.error = StoreError("away")

    requests = [get("a"), get("gone"), get("b")]
    one, unknown, other = answering.answer([parse_get(each) for each in requests])
    both, some = answering.answer([parse_batch(batch(["a", "gone"])), parse_batch(batch(["a", "b"]))])

    assert isinstance(one, bytes)
    reply = tags_pb2.GetProductTagsResponse.FromString(one)
    assert (reply.version, reply.freshness, reply.as_of.ToMilliseconds()) == (1, tags_pb2.FRESHNESS_STALE, as_of_ms)
    assert reply.freshness_reason == tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE
    # That a product is not there is not said from memory.
    assert [each.reason for each in (unknown, other, some)] == [Reason.STORE_UNAVAILABLE] * 3
    assert isinstance(both, bytes)
    states = [each.freshness for each in tags_pb2.BatchGetProductTagsResponse.FromString(both).products]
    assert states == [tags_pb2.FRESHNESS_STALE, tags_pb2.FRESHNESS_UNKNOWN]


def test_a_node_of_a_cluster_that_is_away_fails_the_calls_for_its_products_only() -> None:
    reader = Reader()
    reader.now_ms = SystemClock().wall_ms() - 100
    answering = lookups(reader)
    answering.answer([parse_get(get("kept"))])
    read, away = reader.read, StoreError("a node is away")

    def without_a_node(products: Sequence[str], primary: bool = True) -> Found:
        stored = [
            None if product in ("kept", "lost") else found
            for product, found in zip(products, read(products)[0], strict=True)
        ]
        raise PartlyReadError(str(away), stored, reader.now_ms)

    reader.read = without_a_node  # type: ignore[method-assign]
    requests = [parse_get(get(product)) for product in ("kept", "lost", "a")]
    kept, lost, other, both = answering.answer([*requests, parse_batch(batch(["a", "lost"]))])

    states = [tags_pb2.GetProductTagsResponse.FromString(each).freshness for each in (kept, other)]  # type: ignore[arg-type]
    assert states == [tags_pb2.FRESHNESS_STALE, tags_pb2.FRESHNESS_FRESH]
    assert [each.reason for each in (lost, both)] == [Reason.STORE_UNAVAILABLE] * 2
    # It asks on: other products are read.
    assert isinstance(answering.answer([parse_get(get("b"))])[0], bytes)
