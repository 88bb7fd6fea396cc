"""Which tags of an answer are served: those that a caller's `TagFilter` lets through, and none that is blocked."""

from collections.abc import Collection, Iterable, Sequence

from hangtag.tags.blocking import without_blocked
from hangtag.tags.schema import TagSchema
from hangtag.tags.tagset import Source
from hangtag.v1 import tags_pb2

_Request = tags_pb2.GetProductTagsRequest | tags_pb2.BatchGetProductTagsRequest | tags_pb2.SuggestTagsRequest
# Messages with `tags`, `review` and `no_tags_reason`.
_Tagged = tags_pb2.ProductTags | tags_pb2.SuggestTagsResponse
_SOURCES = {tags_pb2.Source.Value(f"SOURCE_{source.value}"): source for source in Source}


def filter_of(request: _Request) -> tags_pb2.TagFilter | None:
    """The filter of a request; None if it restricts nothing."""
    if not request.HasField("filter"):
        return None
    found = request.filter
    is_set = found.facets or found.max_tags or found.min_confidence or found.min_band == tags_pb2.BAND_AUTO
    return found if is_set else None


def narrow(found: _Tagged, tag_filter: tags_pb2.TagFilter) -> None:
    """Leave only the tags that the filter lets through, in the same order.

    If it lets no tag through although there were tags to use, `no_tags_reason` is FILTERED.
    """
    tags = _chosen(found.tags, tag_filter)
    review = () if tag_filter.min_band == tags_pb2.BAND_AUTO else _chosen(found.review, tag_filter)
    if found.tags and not tags:
        found.no_tags_reason = tags_pb2.NO_TAGS_REASON_FILTERED
    del found.tags[:], found.review[:]
    found.tags.extend(tags)
    found.review.extend(review)


def narrow_stored(payload: bytes, tag_filter: tags_pb2.TagFilter) -> bytes:
    """A serialised `ProductTags` with only the tags that the filter lets through."""
    product = tags_pb2.ProductTags.FromString(payload)
    narrow(product, tag_filter)
    return product.SerializeToString()


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
    return product.SerializeToString()


def _sources(tags: Iterable[tags_pb2.Tag]) -> dict[str, Source]:
    return {_name(tag): _SOURCES.get(tag.source, Source.MODEL) for tag in tags}


def _name(tag: tags_pb2.Tag) -> str:
    return f"{tag.facet}:{tag.value}"


def _chosen(tags: Iterable[tags_pb2.Tag], tag_filter: tags_pb2.TagFilter) -> Sequence[tags_pb2.Tag]:
    facets = frozenset(tag_filter.facets)
    fitting = [
        tag for tag in tags if (not facets or tag.facet in facets) and tag.confidence >= tag_filter.min_confidence
    ]
    most = tag_filter.max_tags or len(fitting)
    # Of equal ones the first: `sorted` keeps their order.
    best = sorted(range(len(fitting)), key=lambda place: -fitting[place].confidence)[:most]
    return [fitting[place] for place in sorted(best)]
