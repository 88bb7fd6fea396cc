"""`FindProducts`: products by tags, by a filter, by a text."""

from hangtag.server.search.checks import check_find, check_query
from hangtag.server.search.forward import Forward
from hangtag.server.search.texts import Texts, text_fields
from hangtag.server.search.understood import narrowed
from hangtag.v1 import tags_pb2

# The index takes no more.
_MAX_BOOSTS = 64
ALL = "*"


class Find:
    """Answers `FindProducts`."""

    def __init__(self, texts: Texts, forward: Forward) -> None:
        self._texts = texts
        self._forward = forward

    async def __call__(self, request: tags_pb2.FindProductsRequest, deadline_s: float) -> bytes:
        """The products. Text and filter are resolved here, so that the index gets tags alone."""
        check_find(request)
        passed_on = tags_pb2.FindProductsRequest()
        passed_on.CopyFrom(request)
        passed_on.ClearField("text")
        passed_on.ClearField("filter")
        if request.filter:
            passed_on.query.MergeFrom(self._texts.filter(request.filter))
        read = None
        if request.text:
            read = await self._texts.read(request.text, deadline_s)
            understood = read.understood
            if not understood.says_something and _is_empty(passed_on.query):
                # Not everything there is.
                return tags_pb2.FindProductsResponse(**text_fields(read)).SerializeToString()
            passed_on.query.CopyFrom(narrowed(understood, passed_on.query))
            given = {(boost.facet, boost.value) for boost in passed_on.boosts}
            more = [boost for boost in understood.boosts if (boost.facet, boost.value) not in given]
            passed_on.boosts.extend(more[: _MAX_BOOSTS - len(passed_on.boosts)])
        check_query(passed_on.query, "the query of filter, text and query together")
        reply = await self._forward("FindProducts", passed_on, self._work(request), deadline_s)
        # Protobuf merges messages whose bytes follow each other.
        return reply + tags_pb2.FindProductsResponse(**text_fields(read)).SerializeToString()

    def _work(self, request: tags_pb2.FindProductsRequest) -> int:
        return 1 + (self._texts.facet_count() if ALL in request.count_facets else len(request.count_facets))


def _is_empty(query: tags_pb2.TagQuery) -> bool:
    return not (query.all_of or query.any_of or query.none_of)
