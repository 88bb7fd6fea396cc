"""Stored tags without those that are blocked by now."""

from collections.abc import Collection, Iterable

from hangtag.tags.blocking import without_blocked
from hangtag.tags.schema import TagSchema
from hangtag.tags.tagset import Source
from hangtag.v1 import tags_pb2

_SOURCES = {tags_pb2.Source.Value(f"SOURCE_{source.value}"): source for source in Source}


def unblocked(payload: bytes, blocked: Collection[str], schema: TagSchema | None) -> bytes:
    """A serialised `ProductTags` without blocked tags and what depends on them by the schema."""
    product = tags_pb2.ProductTags.FromString(payload)
    gone = without_blocked(_sources(product.tags), _sources(product.review), blocked, schema)
    if not gone:
        return payload
    for tags in (product.tags, product.review):
        left = [tag for tag in tags if _name(tag) not in gone]
        del tags[:]
        tags.extend(left)
    if not product.tags and not product.no_tags_reason:
        # As if the product had been tagged without them.
        product.no_tags_reason = tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
    return product.SerializeToString(deterministic=True)


def _sources(tags: Iterable[tags_pb2.Tag]) -> dict[str, Source]:
    return {_name(tag): _SOURCES.get(tag.source, Source.MODEL) for tag in tags}


def _name(tag: tags_pb2.Tag) -> str:
    return f"{tag.facet}:{tag.value}"
