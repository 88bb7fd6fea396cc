"""Tags as the bytes that `products.tagged` and the store hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.tags.decisions import Decision
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.text.understood import NoTags
from hangtag.v1 import tags_pb2

_REASONS = {reason: tags_pb2.NoTagsReason.Value(f"NO_TAGS_REASON_{reason.name}") for reason in NoTags}
_VERDICTS = frozenset({tags_pb2.VERDICT_ACCEPTED, tags_pb2.VERDICT_REJECTED})


@dataclass(frozen=True, slots=True)
class TaggedProduct:
    """The content of a `ProductTags` message; `tagged_at_ms` is in ms since 1970, UTC."""

    product_id: str
    version: int
    tags: TagSet
    bundle_version: str
    tagged_at_ms: int
    decisions: tuple[Decision, ...] = ()


def encode_tags(product: TaggedProduct) -> bytes:
    """A serialised `hangtag.v1.ProductTags`; the same input gives the same bytes."""
    message = tags_pb2.ProductTags(
        product_id=product.product_id,
        version=product.version,
        tags=map(tag_message, product.tags.tags),
        review=map(tag_message, product.tags.review),
        bundle_version=product.bundle_version,
        tagged_at=Timestamp(seconds=product.tagged_at_ms // 1_000, nanos=product.tagged_at_ms % 1_000 * 1_000_000),
        decisions=map(_decision_message, product.decisions),
        no_tags_reason=no_tags_reason(product.tags),
        language=product.tags.language,
    )
    return message.SerializeToString(deterministic=True)


def decode_tags(payload: bytes) -> TaggedProduct:
    """Read a serialised `ProductTags`.

    Raises:
        ValueError: the bytes are not such a message, or have a source, band or verdict that this release does not know.
    """
    try:
        message = tags_pb2.ProductTags.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        msg = "the value is not a serialised hangtag.v1.ProductTags"
        raise ValueError(msg) from error
    if unknown := {each.verdict for each in message.decisions} - _VERDICTS:
        msg = f"a decision has the verdict {min(unknown)}, which this release does not know; upgrade Hangtag"
        raise ValueError(msg)
    return TaggedProduct(
        product_id=message.product_id,
        version=message.version,
        tags=TagSet(_scored(message.tags), _scored(message.review), language=message.language),
        bundle_version=message.bundle_version,
        tagged_at_ms=message.tagged_at.seconds * 1_000 + message.tagged_at.nanos // 1_000_000,
        decisions=tuple(
            Decision(f"{each.facet}:{each.value}", each.verdict == tags_pb2.VERDICT_ACCEPTED)
            for each in message.decisions
        ),
    )


def tag_message(scored: ScoredTag) -> tags_pb2.Tag:
    """A tag as the message that is stored and sent."""
    return tags_pb2.Tag(
        facet=facet_of(scored.tag),
        value=value_of(scored.tag),
        confidence=scored.confidence,
        source=tags_pb2.Source.Value(f"SOURCE_{scored.source.value}"),
        band=tags_pb2.Band.Value(f"BAND_{scored.band.value}"),
    )


def no_tags_reason(tags: TagSet) -> tags_pb2.NoTagsReason.ValueType:
    """Why a text got no tags to use."""
    reason = tags.no_tags
    return tags_pb2.NO_TAGS_REASON_UNSPECIFIED if reason is None else _REASONS[reason]


def _decision_message(decision: Decision) -> tags_pb2.Decision:
    verdict = tags_pb2.VERDICT_ACCEPTED if decision.is_accepted else tags_pb2.VERDICT_REJECTED
    return tags_pb2.Decision(facet=facet_of(decision.tag), value=value_of(decision.tag), verdict=verdict)


def _scored(tags: Sequence[tags_pb2.Tag]) -> tuple[ScoredTag, ...]:
    return tuple(
        ScoredTag(
            f"{tag.facet}:{tag.value}",
            tag.confidence,
            Source(tags_pb2.Source.Name(tag.source).removeprefix("SOURCE_")),
            Band(tags_pb2.Band.Name(tag.band).removeprefix("BAND_")),
        )
        for tag in tags
    )
