"""Tags as the bytes that `products.tagged` and the cache hold."""

from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag, TagSet
from hangtag.v1 import tags_pb2


def encode_tags(product_id: str, version: int, tags: TagSet, bundle_version: str, now_ms: int) -> bytes:
    """A serialised `hangtag.v1.ProductTags`; the same input gives the same bytes. `now_ms`: since 1970, UTC."""
    message = tags_pb2.ProductTags(
        product_id=product_id,
        version=version,
        tags=map(tag_message, tags.tags),
        review=map(tag_message, tags.review),
        bundle_version=bundle_version,
        tagged_at=Timestamp(seconds=now_ms // 1_000, nanos=now_ms % 1_000 * 1_000_000),
    )
    return message.SerializeToString(deterministic=True)


def tag_message(scored: ScoredTag) -> tags_pb2.Tag:
    """A tag as it is stored and sent."""
    return tags_pb2.Tag(
        facet=facet_of(scored.tag),
        value=value_of(scored.tag),
        confidence=scored.confidence,
        source=tags_pb2.Source.Value(scored.source.value),
        band=tags_pb2.Band.Value(scored.band.value),
    )
