"""Every method of the clients on a real server with a real store, over both transports."""

import threading
import time
import uuid
from datetime import UTC, datetime

import pytest

from hangtag.client import (
    Band,
    Decision,
    Freshness,
    FreshnessReason,
    InvalidRequestError,
    ProductTags,
    SettingError,
    Source,
    Tag,
    TagFilter,
    TextKind,
    Verdict,
)
from hangtag.store import Arrival, RedisTagStore
from tests.integration.server.client.parts import BUNDLE, Make, entry


def test_a_product_has_every_field_of_its_message(make: Make, address: str, store: RedisTagStore) -> None:
    store.write([entry("whole")])
    before = datetime.now(UTC)

    product = make(address).get("whole")

    assert before.timestamp() - 1 < product.as_of.timestamp() < time.time() + 1
    boots = Tag("class", "boots", 0.25, Source.RULE, Band.AUTO)
    red = Tag("color", "red", 0.75, Source.HUMAN, Band.AUTO)
    assert product == ProductTags(
        "whole",
        version=7,
        tags=(boots, red),
        review=(Tag("color", "navy", 0.5, Source.MODEL, Band.REVIEW),),
        freshness=Freshness.FRESH,
        as_of=product.as_of,
        bundle_version=BUNDLE,
        tagged_at=datetime(2025, 11, 24, 16, 0, 0, 500_000, UTC),
        decisions=(Decision("color", "red", Verdict.ACCEPTED),),
    )
    assert product.facets == {"class": (boots,), "color": (red,)}
    assert list(product.facets) == ["class", "color"]
    assert (product.value("class"), product.values("color"), product.value("size")) == ("boots", ("red",), None)
    assert "color:red" in product
    assert "color:navy" not in product


def test_every_freshness_is_a_result_alone_and_among_others(make: Make, address: str, store: RedisTagStore) -> None:
    store.mark_seen([Arrival("late", 8), Arrival("coming", 3)])
    store.mark_refused([Arrival("refused", 2)])
    store.write([entry("late"), entry("there")])
    expected = {
        "there": (Freshness.FRESH, None, 7, 0),
        "late": (Freshness.STALE, FreshnessReason.VERSION_WAITING, 7, 8),
        "coming": (Freshness.PENDING, FreshnessReason.VERSION_WAITING, 0, 3),
        "refused": (Freshness.UNKNOWN, FreshnessReason.VERSION_REFUSED, 0, 2),
        "never": (Freshness.UNKNOWN, None, 0, 0),
    }
    client = make(address)

    many = client.get_many([*expected, "there"])
    one = [client.get(each) for each in expected]

    def of(product: ProductTags) -> tuple[object, ...]:
        return product.freshness, product.freshness_reason, product.version, product.known_version

    assert [each.product_id for each in many] == [*expected, "there"]
    assert [of(each) for each in many] == [*expected.values(), expected["there"]]
    assert [of(each)[:3] for each in one] == [each[:3] for each in expected.values()]
    assert [each.is_known for each in one] == [True, True, True, False, False]
    assert client.get("there", min_version=9).freshness is Freshness.STALE
    assert [each.is_fresh for each in client.get_many(["there", "there"], min_versions=[9, 0])] == [False, True]


def test_any_number_of_products_and_texts_may_be_asked_for(make: Make, address: str, store: RedisTagStore) -> None:
    ids = [f"many-{number}" for number in range(2_500)]
    store.write([entry(each) for each in ids[::100]])
    client = make(address)

    products = client.get_many(ids)
    answers = client.suggest_many(["a " * (1 + number % 7) for number in range(250)])

    assert [each.product_id for each in products] == ids
    assert [at for at, each in enumerate(products) if each.is_fresh] == list(range(0, 2_500, 100))
    assert [each.value("words") for each in answers] == [str(1 + number % 7) for number in range(250)]
    assert list(client.get_many([])) == client.suggest_many([]) == []


def test_a_suggestion_has_its_tags_and_states_the_kind(make: Make, address: str) -> None:
    client = make(address)

    query = client.suggest("black boots")
    product = client.suggest("boots", description="black leather", merchant_category="shoes")

    assert [str(each) for each in query.tags] == ["words:2"]
    assert [(str(each), each.source, each.band) for each in query.review] == [("mood:a:b", Source.RULE, Band.REVIEW)]
    assert (query.kind, product.kind) == (TextKind.QUERY, TextKind.PRODUCT)
    assert client.suggest("black boots", kind=TextKind.PRODUCT).kind is TextKind.PRODUCT
    assert query.bundle_version == BUNDLE


def test_a_filter_is_applied(make: Make, address: str, store: RedisTagStore) -> None:
    store.write([entry("filtered")])
    client = make(address)
    color = TagFilter(facets=["color"], review=False)

    assert [str(each) for each in client.get("filtered", tag_filter=color).tags] == ["color:red"]
    assert client.get("filtered", tag_filter=color).review == ()
    (product,) = client.get_many(["filtered"], tag_filter=TagFilter(min_confidence=0.6))
    assert [str(each) for each in (*product.tags, *product.review)] == ["color:red"]
    assert client.suggest("a b", tag_filter=TagFilter(facets=["mood"])).tags == ()


def test_waiting_ends_with_the_version_or_with_what_there_is(make: Make, address: str, store: RedisTagStore) -> None:
    awaited = uuid.uuid4().hex
    store.write([entry(awaited, 1)])
    client = make(address)
    writing = threading.Timer(0.2, store.write, [[entry(awaited, 2)]])
    writing.start()

    product = client.wait_for(awaited, 2)
    writing.join()
    late = client.wait_for(awaited, 3, timeout_s=2)
    store.mark_refused([Arrival(awaited, 4)])
    refused = client.wait_for(awaited, 4)

    assert (product.version, product.freshness) == (2, Freshness.FRESH)
    assert (late.version, late.freshness) == (2, Freshness.STALE)
    assert (refused.version, refused.freshness_reason) == (2, FreshnessReason.VERSION_REFUSED)


@pytest.mark.parametrize("gathers", [False, True])
def test_a_wrong_request_says_what_is_wrong(make: Make, address: str, gathers: bool) -> None:
    client = make(address, gather_gets=gathers)

    with pytest.raises(InvalidRequestError, match="product_id") as caught:
        client.get("")

    assert (caught.value.status, caught.value.reason, caught.value.attempts) == (
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        1,
    )
    with pytest.raises(SettingError, match="timeout_s is 0"):
        client.get("p", timeout_s=0)


def test_arguments_of_the_wrong_kind_are_refused(make: Make, address: str) -> None:
    client = make(address)

    with pytest.raises(SettingError, match="product_ids is a text; give a list"):
        client.get_many("sku-1")
    with pytest.raises(SettingError, match="texts is a text"):
        client.suggest_many("red shoes")
    with pytest.raises(SettingError, match="facets is a text"):
        TagFilter(facets="color")
    with pytest.raises(SettingError, match="min_versions has 1 items for 2 product_ids"):
        client.get_many(["a", "b"], min_versions=[1])
