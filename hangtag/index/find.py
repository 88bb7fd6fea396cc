"""`FindProducts`: products by their tags, best first, with counts."""

import math
from collections.abc import Sequence

from hangtag.index.errors import QueryError
from hangtag.index.page_token import PageToken
from hangtag.index.query import MAX_TAGS, Query, tag_names
from hangtag.index.ranking import SCORE_STEPS, WEIGHT_STEPS, Ranked
from hangtag.index.relaxations import relaxations
from hangtag.index.slots import CONFIDENCE_STEPS, confidence_of, is_review, source_of, tag_number_of
from hangtag.index.view import View
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

    filters = view.filters()
    hits = filters.hits(query, base)
    best = view.best(hits, weights, query.min_band, size + 1, after)
    page = best.products[:size]
    reply = tags_pb2.FindProductsResponse(total=len(hits), is_sampled=best.is_sampled)
    _add_products(reply, view, page, weights, query.min_band)
    if len(best.products) > size:
        last = page[-1]
        token = PageToken(last.score, last.number, reply.products[-1].product_id)
        reply.next_page_token = token.text(request)
    for facet, counts in view.counts(query, base, facets, filters).items():
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


def _add_products(
    reply: tags_pb2.FindProductsResponse, view: View, page: Sequence[Ranked], weights: dict[str, int], band: Band
) -> None:
    numbers = [found.number for found in page]
    names = view.names_of(weights)
    for found, product_id, row in zip(page, view.ids(numbers), view.rows(numbers), strict=True):
        product = reply.products.add(product_id=product_id, version=row.version, score=found.score / SCORE_STEPS)
        for slot in row.slots:
            name = names.get(tag_number_of(slot))
            is_auto = not is_review(slot)
            if name is not None and (is_auto or band is Band.REVIEW):
                product.matched.add(
                    facet=name[0],
                    value=name[1],
                    confidence=confidence_of(slot) / CONFIDENCE_STEPS,
                    source=source_of(slot),
                    band=tags_pb2.BAND_AUTO if is_auto else tags_pb2.BAND_REVIEW,
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
