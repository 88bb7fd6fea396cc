"""Tags as tables: a product or text without a tag to use has the reason."""

import pytest
from rich.console import Console

from hangtag.cli.show import products_table, suggestion_table
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
        return printed(suggestion_table("boots", tags_pb2.SuggestTagsResponse(tags=tags, no_tags_reason=reason)))

    assert "no tag is sure enough to be used" in shown()
    assert "sure" not in shown(USED, reason=tags_pb2.NO_TAGS_REASON_UNSPECIFIED)
