"""Tags as tables: a product or text without a tag to use has the reason."""

import pytest
from rich.console import Console

from hangtag.cli.show import products_table, suggestions_table
from hangtag.v1 import tags_pb2

LOW = tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
REVIEWED = tags_pb2.Tag(facet="color", value="navy", confidence=0.5, band=tags_pb2.BAND_REVIEW)
USED = tags_pb2.Tag(facet="color", value="navy", confidence=0.9, band=tags_pb2.BAND_AUTO)


def printed(table: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.parametrize("freshness", [tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE])
@pytest.mark.parametrize("review", [[], [REVIEWED]])
def test_a_product_without_a_tag_to_use_has_the_reason(freshness: int, review: list[tags_pb2.Tag]) -> None:
    product = tags_pb2.GetProductTagsResponse(product_id="a", freshness=freshness, review=review, no_tags_reason=LOW)

    shown = printed(products_table([product]))

    assert "no tag is sure enough to be used" in shown
    assert ("navy" in shown) == bool(review)


@pytest.mark.parametrize(
    ("freshness", "text"),
    [
        (tags_pb2.FRESHNESS_PENDING, "received, not tagged yet"),
        (tags_pb2.FRESHNESS_UNKNOWN, "never received, or deleted"),
        (tags_pb2.FRESHNESS_STALE, "no tags"),
    ],
)
def test_a_product_that_is_not_tagged_has_its_state(freshness: int, text: str) -> None:
    assert text in printed(products_table([tags_pb2.GetProductTagsResponse(product_id="a", freshness=freshness)]))


def test_a_suggestion_without_a_tag_to_use_has_the_reason() -> None:
    def shown(*tags: tags_pb2.Tag, reason: int = LOW) -> str:
        answer = tags_pb2.SuggestTagsResponse(tags=tags, no_tags_reason=reason)
        return printed(suggestions_table([("boots", answer)]))

    assert "no tag is sure enough to be used" in shown()
    assert "no tag of those that you ask for" in shown(reason=tags_pb2.NO_TAGS_REASON_FILTERED)
    assert "sure" not in shown(USED, reason=tags_pb2.NO_TAGS_REASON_UNSPECIFIED)


def test_a_text_that_was_not_read_completely_says_which_fields() -> None:
    whole, cut = (tags_pb2.SuggestTagsResponse(tags=[USED], truncated_fields=fields) for fields in ([], ["text"]))

    shown = printed(suggestions_table([("boots", whole), ("boots of " * 99, cut)]))

    assert shown.count("not read completely: text") == 1


def test_a_suggestion_shows_what_was_understood() -> None:
    tag = tags_pb2.Tag(facet="color", value="red", confidence=0.9, band=tags_pb2.BAND_AUTO, supported_by=["red", "dye"])
    answer = tags_pb2.SuggestTagsResponse(
        tags=[tag],
        none_of=[tags_pb2.TagName(facet="color", value="black")],
        spans=[tags_pb2.Span(kind=tags_pb2.SPAN_KIND_PRICE, text="under $50")],
        understood_text="red sneakers",
    )

    shown = printed(suggestions_table([("red sneekers", answer)]))

    for part in ("red, dye", "none of: color:black", "price: under $50", "read as: red sneakers"):
        assert part in shown


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (tags_pb2.NO_TAGS_REASON_LANGUAGE_NOT_SUPPORTED, "the model does not know this language"),
        (tags_pb2.NO_TAGS_REASON_OFF_TOPIC, "not about a product"),
        (tags_pb2.NO_TAGS_REASON_TOO_SHORT, "no word for a thing"),
    ],
)
def test_every_reason_is_told(reason: int, text: str) -> None:
    answer = tags_pb2.SuggestTagsResponse(no_tags_reason=reason, language="de")

    shown = printed(suggestions_table([("boots", answer)]))

    assert text in shown
    assert "language: de" in shown
