"""`Clarify`, `SimilarProducts` and `TagProfile` over an index."""

import pytest

from hangtag.index.clarify import clarify
from hangtag.index.errors import QueryError, UnknownProductError
from hangtag.index.profile import profile
from hangtag.index.similar import similar
from hangtag.v1 import tags_pb2 as pb
from tests.unit.index.catalogue import view_of

# 60 boots of three colors, for women and men; 40 scarves without any color.
COLORS, AUDIENCES = ("red", "blue", "black"), ("women", "men")
SHOP = {f"boot{n}": ("class:boots", f"color:{COLORS[n % 3]}", f"audience:{AUDIENCES[n % 2]}") for n in range(60)}
SHOP |= {f"scarf{n}": ("class:scarf",) for n in range(40)}


@pytest.fixture(scope="module")
def shop():
    return view_of(SHOP)


def name(tag: str) -> pb.TagName:
    facet, _, value = tag.partition(":")
    return pb.TagName(facet=facet, value=value)


def query(*tags: str, none_of: tuple[str, ...] = ()) -> pb.TagQuery:
    return pb.TagQuery(all_of=map(name, tags), none_of=map(name, none_of))


def test_a_conversation_narrows_to_few_products(shop):
    first = clarify(shop, pb.ClarifyRequest())
    assert (first.facet, first.candidates, first.end) == ("color", 100, pb.CLARIFY_END_UNSPECIFIED)
    assert [(each.value, each.products) for each in first.choices] == [("black", 20), ("blue", 20), ("red", 20)]
    assert first.expected_candidates == (3 * 20 * 20 + 40 * 40) / 100

    second = clarify(shop, pb.ClarifyRequest(query=query("color:red")))
    assert (second.facet, second.candidates) == ("audience", 20)

    last = clarify(shop, pb.ClarifyRequest(query=query("color:red", "audience:men")))
    assert (last.facet, last.question, last.end, last.candidates) == ("", "", pb.CLARIFY_END_NOTHING_DIVIDES, 10)


def test_something_else_leads_on_with_the_other_values(shop):
    request = pb.ClarifyRequest(query=query("class:boots", none_of=("color:black",)), asked_facets=["audience"])

    found = clarify(shop, request)

    assert (found.facet, found.candidates) == ("color", 40)
    assert [each.value for each in found.choices] == ["blue", "red"]


def test_products_that_may_have_a_refused_value_are_not_expected_to_be_left():
    """Half of the products without a color in AUTO are perhaps red: none_of leaves them out."""
    products = {f"p{n}": ("color:red",) if n < 20 else ("color:blue",) if n < 40 else () for n in range(100)}
    view = view_of(products, {f"p{n}": ("color:red",) for n in range(40, 70)})

    assert clarify(view, pb.ClarifyRequest()).expected_candidates == pytest.approx((20 * 20 * 2 + 60 * 30) / 100)


def test_facets_are_asked_in_the_order_of_the_request_and_only_those(shop):
    request = pb.ClarifyRequest(query=query("class:boots"), facets=["audience"])

    assert clarify(shop, request).facet == "audience"
    request.asked_facets.append("audience")
    assert clarify(shop, request).end == pb.CLARIFY_END_NOTHING_DIVIDES


def test_the_base_always_applies(shop):
    found = clarify(shop, pb.ClarifyRequest(base=query("class:scarf")))

    assert (found.candidates, found.end) == (40, pb.CLARIFY_END_NOTHING_DIVIDES)


def test_there_are_as_many_choices_as_asked_for(shop):
    assert len(clarify(shop, pb.ClarifyRequest(query=query("class:boots"), max_values=2)).choices) == 2


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (pb.ClarifyRequest(text="boots"), "text is not read here"),
        (pb.ClarifyRequest(max_values=6), "max_values is 6, it must be from 2 to 5"),
        (pb.ClarifyRequest(facets=["f"] * 65), "facets has 65 facets"),
        (pb.ClarifyRequest(query=pb.TagQuery(all_of=[pb.TagName(facet="f")])), r"query.all_of\[0\]"),
    ],
)
def test_a_question_that_cannot_be_found_names_the_field(shop, request_, message):
    with pytest.raises(QueryError, match=message):
        clarify(shop, request_)


def test_similar_products_have_reasons_and_versions(shop):
    found = similar(shop, pb.SimilarProductsRequest(product_id="boot0", page_size=30))

    assert "boot0" not in {each.product_id for each in found.products}
    best = found.products[0]
    assert (best.score, best.version) == (1, 1)
    assert [f"{each.facet}:{each.value}" for each in best.shared] == ["color:red", "audience:women", "class:boots"]
    assert {each.product_id for each in found.products if each.score == 1} == {f"boot{n}" for n in range(6, 60, 6)}
    assert [each.score for each in found.products] == sorted((each.score for each in found.products), reverse=True)


def test_similar_products_are_only_those_of_the_base(shop):
    found = similar(shop, pb.SimilarProductsRequest(product_id="boot0", base=query("audience:men")))

    assert {SHOP[each.product_id][2] for each in found.products} == {"audience:men"}


def test_tags_for_review_make_no_products_similar():
    view = view_of({"a": ("f:x",), "b": ("f:y",), "c": ("f:x",)}, {"b": ("f:x",)})

    assert [each.product_id for each in similar(view, pb.SimilarProductsRequest(product_id="a")).products] == ["c"]


def test_an_unknown_product_is_an_error_without_its_id(shop):
    with pytest.raises(UnknownProductError, match="the index does not have this product") as raised:
        similar(shop, pb.SimilarProductsRequest(product_id="nowhere"))

    assert "nowhere" not in str(raised.value)


def test_a_profile_leaves_tags_out(shop):
    request = pb.TagProfileRequest(product_ids=["boot0"], without_tags=[{"facet": "color", "value": "red"}])

    assert "color" not in {each.facet for each in profile(shop, request).tags}


def test_a_profile_counts_what_it_found_and_leaves_facets_out(shop):
    request = pb.TagProfileRequest(product_ids=["boot0", "boot6", "boot6", "nowhere"], without_facets=["audience"])

    found = profile(shop, request)

    assert (found.found, found.not_found) == (3, 1)
    assert [(each.facet, each.value, each.share) for each in found.tags] == [("color", "red", 1), ("class", "boots", 1)]
    assert found.tags[0].lift == pytest.approx(5)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (pb.TagProfileRequest(), "product_ids has 0 ids"),
        (pb.TagProfileRequest(product_ids=["p"] * 1_001), "product_ids has 1001 ids"),
        (pb.TagProfileRequest(product_ids=["p"], max_tags=201), "max_tags is 201"),
    ],
)
def test_a_profile_that_cannot_be_made_names_the_field(shop, request_, message):
    with pytest.raises(QueryError, match=message):
        profile(shop, request_)
