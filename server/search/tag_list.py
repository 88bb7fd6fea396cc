"""`ListTags`: what the schema says about facets and tags, and how many products have each."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hangtag.server.errors import CallError
from hangtag.server.search.checks import check_facets
from hangtag.server.search.forward import Forward
from hangtag.tags.reach import can_be_auto
from hangtag.tags.schema import Facet, FacetKind
from hangtag.tags.tag import facet_of, value_of
from hangtag.telemetry.clock import Clock
from hangtag.text.kind import TextKind
from hangtag.v1 import tags_pb2

if TYPE_CHECKING:
    # Importing it loads numpy.
    from hangtag.bundle import Bundle

# A list without counts is better than none: the index gets a part of the time.
_COUNTS_LIMIT_S = 1.0
_SHARE = 0.5


class TagList:
    """Answers `ListTags`."""

    def __init__(self, bundle: "Callable[[], Bundle]", forward: Forward, clock: Clock) -> None:
        self._bundle = bundle
        self._forward = forward
        self._clock = clock
        self._of: Bundle | None = None
        self._facets: dict[str, tags_pb2.FacetInfo] = {}

    async def __call__(self, request: tags_pb2.ListTagsRequest, deadline_s: float) -> bytes:
        """The facets and their tags; without counts if the index does not answer in time."""
        check_facets(request.facets, "facets")
        bundle = self._bundle()
        if self._of is not bundle:
            self._facets = {each.facet: each for each in facets_of(bundle)}
            self._of = bundle
        reply = tags_pb2.ListTagsResponse(bundle_version=bundle.version, schema_hash=bundle.schema.content_hash)
        wanted = set(request.facets)
        reply.facets.extend(each for name, each in self._facets.items() if not wanted or name in wanted)
        now_s = self._clock.monotonic()
        until_s = now_s + min(_COUNTS_LIMIT_S, _SHARE * (deadline_s - now_s))
        try:
            counted = await self._forward("ListTags", request, 1, until_s)
        except CallError:
            return reply.SerializeToString()
        _count(reply, tags_pb2.ListTagsResponse.FromString(counted))
        return reply.SerializeToString()


def facets_of(bundle: "Bundle") -> list[tags_pb2.FacetInfo]:
    """What a bundle's schema and thresholds say, facet by facet."""
    reachable = can_be_auto(bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT))
    return [_facet(bundle, facet, reachable) for facet in bundle.schema.facets]


def _facet(bundle: "Bundle", facet: Facet, reachable: frozenset[str]) -> tags_pb2.FacetInfo:
    schema = bundle.schema
    about = schema.about.get(facet.name)
    return tags_pb2.FacetInfo(
        facet=facet.name,
        label=schema.label(facet.name),
        description="" if about is None else about.description,
        is_multi=facet.kind is FacetKind.MULTI,
        parent_facet=facet.parent or "",
        applies_with=map(tag_name, facet.applies_when),
        is_sensitive=schema.sensitive_tags.issuperset(facet.tags),
        tags=(_tag(bundle, tag, tag in reachable) for tag in facet.tags),
    )


def _tag(bundle: "Bundle", tag: str, can_be_auto: bool) -> tags_pb2.TagInfo:
    schema, bands = bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT).tags[tag]
    above = schema.parents.get(tag, ())
    info = tags_pb2.TagInfo(
        value=value_of(tag),
        label=schema.label(tag),
        parents=map(tag_name, above),
        auto_from=bands.auto if can_be_auto else None,
        review_from=bands.review if bands.review <= 1 else None,
        is_blocked=tag in schema.blocked,
        is_sensitive=tag in schema.sensitive_tags,
    )
    if (about := schema.about.get(tag)) is not None:
        info.description = about.description
        info.synonyms.extend(about.synonyms)
        info.examples.extend(about.examples)
        info.codes.update(about.codes)
    return info


def tag_name(tag: str) -> tags_pb2.TagName:
    """A tag as contracts have it."""
    return tags_pb2.TagName(facet=facet_of(tag), value=value_of(tag))


def _count(reply: tags_pb2.ListTagsResponse, counted: tags_pb2.ListTagsResponse) -> None:
    """Add how many products have each tag; none, where the index does not name it."""
    numbers = {(facet.facet, tag.value): tag for facet in counted.facets for tag in facet.tags}
    for facet in reply.facets:
        for tag in facet.tags:
            found = numbers.get((facet.facet, tag.value))
            tag.products = 0 if found is None else found.products
            tag.review_products = 0 if found is None else found.review_products
    reply.index.CopyFrom(counted.index)
