"""An index of a few products."""

from hangtag.index import Change, Index, View
from hangtag.records.tagged import TaggedProduct, encode_tags
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band

BUNDLE = "a" * 64


def payload_of(product_id: str, version: int, auto: tuple[str, ...], review: tuple[str, ...] = ()) -> bytes:
    tags = [
        tuple(ScoredTag(tag, 0.9, Source.MODEL, band) for tag in found)
        for found, band in ((auto, Band.AUTO), (review, Band.REVIEW))
    ]
    return encode_tags(TaggedProduct(product_id, version, TagSet(*tags), BUNDLE, 0))


def view_of(products: dict[str, tuple[str, ...]], review: dict[str, tuple[str, ...]] | None = None) -> View:
    """The view of an index with these AUTO and REVIEW tags by product id; all have version 1."""
    index = Index()
    index.build()
    index.take(
        [
            Change(name.encode(), (1, False, 0, 0), payload_of(name, 1, tags, (review or {}).get(name, ())))
            for name, tags in products.items()
        ]
    )
    return index.view()
