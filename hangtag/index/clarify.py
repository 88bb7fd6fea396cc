"""`Clarify`: the question that divides the products of a query best."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from pyroaring import BitMap

from hangtag.index.errors import QueryError
from hangtag.index.find import MAX_FACETS, limited
from hangtag.index.query import Query
from hangtag.index.question import MAX_CHOICES, MIN_CHOICES, End, Facet, Question, best_question
from hangtag.index.view import View
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

_ENDS = {
    None: tags_pb2.CLARIFY_END_UNSPECIFIED,
    End.FEW_PRODUCTS: tags_pb2.CLARIFY_END_FEW_PRODUCTS,
    End.NOTHING_DIVIDES: tags_pb2.CLARIFY_END_NOTHING_DIVIDES,
    End.NO_PRODUCTS: tags_pb2.CLARIFY_END_NO_PRODUCTS,
}


def clarify(view: View, request: tags_pb2.ClarifyRequest) -> tags_pb2.ClarifyResponse:
    """The answer to a request by tags; everything but `index`, the question's words and its labels is set.

    Raises:
        QueryError: a field has a value that it cannot have; or `text` is set, which the server that takes the calls
            turns into tags.
    """
    if request.text:
        msg = "text is not read here: the server for look-ups turns it into tags; call that server"
        raise QueryError(msg)
    query, base = Query.of(request.query), Query.of(request.base, "base")
    for field, names in (("asked_facets", request.asked_facets), ("facets", request.facets)):
        if len(names) > MAX_FACETS:
            msg = f"{field} has {len(names)} facets, it must have at most {MAX_FACETS}"
            raise QueryError(msg)
    choices = limited(request.max_values, MIN_CHOICES, MAX_CHOICES, MAX_CHOICES, "max_values")
    facets = list(dict.fromkeys(request.facets)) or sorted(view.facets)
    candidates, question = next_question(view, query, base, facets, frozenset(request.asked_facets), choices)
    return tags_pb2.ClarifyResponse(
        facet=question.facet,
        choices=[tags_pb2.Choice(value=value, products=products) for value, products in question.choices],
        end=_ENDS[question.end],
        candidates=candidates,
        expected_candidates=question.expected,
    )


def next_question(
    view: View, query: Query, base: Query, facets: Sequence[str], asked: AbstractSet[str], choices: int = MAX_CHOICES
) -> tuple[int, Question]:
    """How many products are left, and the question about one of `facets` that divides them best.

    Facets of which the query names a value, and `asked` ones, are not asked about. Those of which it only refuses
    values are: these values were not the answer.
    """
    candidates = view.hits(query, base)
    known = {*asked, *map(facet_of, query.wanted)}
    open_facets = [facet for facet in dict.fromkeys(facets) if facet not in known]
    return len(candidates), best_question(candidates, _facets(view, candidates, query, base, open_facets), choices)


def _facets(view: View, candidates: BitMap, query: Query, base: Query, facets: Sequence[str]) -> Iterator[Facet]:
    refused = set(map(facet_of, query.none_of))
    # These counts are as if nothing was said about a facet, which is so for all but the refused ones.
    counts = view.counts(query, base, [facet for facet in facets if facet not in refused])
    for facet in facets:
        counted = counts[facet] if facet in counts else _counted(view, candidates, facet, query.min_band)
        yield Facet(facet, counted, _postings(view, facet, query.min_band), _postings(view, facet, Band.REVIEW))


def _counted(view: View, candidates: BitMap, facet: str, band: Band) -> list[tuple[str, int]]:
    counted = (
        (value_of(tag), candidates.intersection_cardinality(view.postings(tag, band))) for tag in view.values(facet)
    )
    return sorted(counted, key=lambda each: (-each[1], each[0]))


def _postings(view: View, facet: str, band: Band) -> Callable[[str], BitMap]:
    return lambda value: view.postings(f"{facet}:{value}", band)
