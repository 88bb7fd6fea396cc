"""`FindProducts`: products by their tags, best first, with counts."""

import math
from collections.abc import Sequence

from hangtag.index.errors import QueryError
from hangtag.index.page_token import PageToken
from hangtag.index.query import MAX_TAGS, Query, tag_names
from hangtag.index.ranking import SCORE_STEPS, WEIGHT_STEPS, Ranked
from hangtag.index.relaxations import relaxations
from hangtag.index.view import View
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

MAX_PAGE = 100
MAX_VALUES = 1_000
MAX_FACETS = 64
MAX_BOOST = 100.0
ALL_FACETS = "*"
_PAGE = 20
_VALUES = 50


def find(view: View, request: tags_pb2.FindProductsRequest) -> tags_pb2.FindProductsResponse:
    """The answer to a request by tags; everything but `index` is set.

    Raises:
        QueryError: a field has a value that it cannot have; or `text` or `filter` is set, which the server that takes
            the calls turns into tags.
    """
    for field in ("text", "filter"):
        if getattr(request, field):
            msg = f"{field} is not read here: the server for look-ups turns it into tags; call that server"
            raise QueryError(msg)
    query, base = Query.of(request.query), Query.of(request.base, "base")
    weights = _weights(query, request.boosts)
    size = limited(request.page_size, 1, MAX_PAGE, _PAGE, "page_size")
    most_values = limited(request.max_values, 1, MAX_VALUES, _VALUES, "max_values")
    facets = _facets(view, request.count_facets)
    after = _after(view, request)

    hits = view.hits(query, base)
    best = view.best(hits, weights, query.min_band, size + 1, after)
    page = best.products[:size]
    reply = tags_pb2.FindProductsResponse(total=len(hits), is_sampled=best.is_sampled)
    for found in page:
        reply.products.append(_product(view, found, weights, query.min_band))
    if len(best.products) > size:
        last = page[-1]
        token = PageToken(last.score, last.number, reply.products[-1].product_id)
        reply.next_page_token = token.text(request)
    for facet, counts in view.counts(query, base, facets).items():
        counted = reply.facets.add(facet=facet, distinct_values=len(counts))
        for value, products in counts[:most_values]:
            counted.values.add(value=value, products=products)
    if not hits:
        reply.relaxations.extend(relaxations(view, query, base))
    return reply


def limited(value: int, least: int, most: int, unset: int, field: str) -> int:
    """The value of a field that has limits; `unset` if it is 0.

    Raises:
        QueryError: it is outside.
    """
    if not value:
        return unset
    if not least <= value <= most:
        msg = f"{field} is {value}, it must be from {least} to {most}"
        raise QueryError(msg)
    return value


def tag_message(tag: ScoredTag) -> tags_pb2.Tag:
    """A tag as it is sent."""
    return tags_pb2.Tag(
        facet=facet_of(tag.tag),
        value=value_of(tag.tag),
        confidence=tag.confidence,
        source=tags_pb2.Source.Value(f"SOURCE_{tag.source.value}"),
        band=tags_pb2.Band.Value(f"BAND_{tag.band.value}"),
    )


def _product(view: View, found: Ranked, weights: dict[str, int], band: Band) -> tags_pb2.FoundProduct:
    [product_id] = view.ids([found.number])
    matched = [
        tag_message(tag)
        for tag in view.tags_of(found.number)
        if tag.tag in weights and (tag.band is Band.AUTO or band is Band.REVIEW)
    ]
    version = view.version_of(found.number)
    return tags_pb2.FoundProduct(
        product_id=product_id, version=version, score=found.score / SCORE_STEPS, matched=matched
    )


def _weights(query: Query, boosts: Sequence[tags_pb2.TagBoost]) -> dict[str, int]:
    names = tag_names(boosts, "boosts", 0, MAX_TAGS)
    if len(names) < len(boosts):
        msg = "boosts has a tag twice"
        raise QueryError(msg)
    weights = dict.fromkeys(query.wanted, WEIGHT_STEPS)
    for at, (name, boost) in enumerate(zip(names, boosts, strict=True)):
        if not (math.isfinite(boost.weight) and 0 <= boost.weight <= MAX_BOOST):
            msg = f"boosts[{at}].weight is {boost.weight:g}, it must be from 0 to {MAX_BOOST:g}"
            raise QueryError(msg)
        weights[name] = round(boost.weight * WEIGHT_STEPS)
    return weights


def _facets(view: View, names: Sequence[str]) -> list[str]:
    if len(names) > MAX_FACETS:
        msg = f"count_facets has {len(names)} facets, it must have at most {MAX_FACETS}"
        raise QueryError(msg)
    wanted: list[str] = []
    for name in names:
        wanted += view.facets if name == ALL_FACETS else [name]
    return list(dict.fromkeys(wanted))


def _after(view: View, request: tags_pb2.FindProductsRequest) -> Ranked | None:
    if not request.page_token:
        return None
    token = PageToken.of(request)
    number = view.number_of(token.product_id)
    return Ranked(token.score, token.number if number is None else number)
