"""Which tags of an answer are served: those that a caller's `TagFilter` lets through."""

from collections.abc import Iterable, Sequence

from hangtag.v1 import tags_pb2

_Request = tags_pb2.GetProductTagsRequest | tags_pb2.BatchGetProductTagsRequest | tags_pb2.SuggestTagsRequest
# Messages with `tags`, `review` and `no_tags_reason`.
_Tagged = tags_pb2.ProductTags | tags_pb2.SuggestTagsResponse


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


def _chosen(tags: Iterable[tags_pb2.Tag], tag_filter: tags_pb2.TagFilter) -> Sequence[tags_pb2.Tag]:
    facets = frozenset(tag_filter.facets)
    fitting = [
        tag for tag in tags if (not facets or tag.facet in facets) and tag.confidence >= tag_filter.min_confidence
    ]
    most = tag_filter.max_tags or len(fitting)
    # Of equal ones the first: `sorted` keeps their order.
    best = sorted(range(len(fitting)), key=lambda place: -fitting[place].confidence)[:most]
    return [fitting[place] for place in sorted(best)]
