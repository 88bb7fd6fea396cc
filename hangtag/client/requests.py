"""Requests as messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hangtag.client.errors import SettingError
from hangtag.client.results import TextKind
from hangtag.v1 import tags_pb2

# What the server takes at a time.
IDS_PER_CALL = 1_000
TEXTS_PER_CALL = 100
_NUMBERS: dict[TextKind | None, tags_pb2.TextKind.ValueType] = {
    TextKind.PRODUCT: tags_pb2.TEXT_KIND_PRODUCT,
    TextKind.QUERY: tags_pb2.TEXT_KIND_QUERY,
}
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFilter:
    """Which tags are returned; what is not set lets everything through.

    Attributes:
        facets: only tags of these facets.
        max_tags: so many of `tags` and as many of `review`, the surest ones; 0: all.
        min_confidence: only tags with at least this confidence, in [0, 1].
        review: False: without `review`.
    """

    facets: Sequence[str] = ()
    max_tags: int = 0
    min_confidence: float = 0.0
    review: bool = True

    def __post_init__(self) -> None:
        check_list("facets", self.facets)

    def message(self) -> tags_pb2.TagFilter:
        """As the server wants it."""
        return tags_pb2.TagFilter(
            facets=self.facets,
            max_tags=self.max_tags,
            min_confidence=self.min_confidence,
            min_band=tags_pb2.BAND_UNSPECIFIED if self.review else tags_pb2.BAND_AUTO,
        )


def get_request(product_id: str, min_version: int, tag_filter: TagFilter | None) -> tags_pb2.GetProductTagsRequest:
    """Asks for a product."""
    if tag_filter is None:
        return tags_pb2.GetProductTagsRequest(product_id=product_id, min_version=min_version)
    return tags_pb2.GetProductTagsRequest(product_id=product_id, min_version=min_version, filter=tag_filter.message())


def suggest_request(
    text: str, description: str, merchant_category: str, kind: TextKind | None, tag_filter: TagFilter | None
) -> tags_pb2.SuggestTagsRequest:
    """Asks for the tags of a text."""
    return tags_pb2.SuggestTagsRequest(
        text=text,
        description=description,
        merchant_category=merchant_category,
        kind=_NUMBERS.get(kind, tags_pb2.TEXT_KIND_UNSPECIFIED),
        filter=None if tag_filter is None else tag_filter.message(),
    )


def check_list(name: str, items: Sequence[str]) -> None:
    """Raises `SettingError` for a text, whose characters would be the items."""
    if isinstance(items, str):
        msg = f"{name} is a text; give a list of texts"
        raise SettingError(msg)


def parts(items: Sequence[_Item], size: int) -> Iterable[Sequence[_Item]]:
    """The items in lists of at most this size."""
    return (items[start : start + size] for start in range(0, len(items), size))
