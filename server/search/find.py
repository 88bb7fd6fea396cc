"""`FindProducts`: products by tags, by a filter, by a text."""

from hangtag.server.search.checks import check_find, check_query
from hangtag.server.search.forward import Forward
from hangtag.server.search.texts import Read, Texts, tell
from hangtag.server.search.understood import narrowed
from hangtag.v1 import tags_pb2

# The index takes no more.
_MAX_BOOSTS = 64
ALL = "*"
# Of a page token: its page is one of a search that was widened to REVIEW.
_WIDE = "r."


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
                nothing = tags_pb2.FindProductsResponse()
                tell(nothing, read)
                return nothing.SerializeToString()
            passed_on.query.CopyFrom(narrowed(understood, passed_on.query))
            given = {(boost.facet, boost.value) for boost in passed_on.boosts}
            more = [boost for boost in understood.boosts if (boost.facet, boost.value) not in given]
            passed_on.boosts.extend(more[: _MAX_BOOSTS - len(passed_on.boosts)])
        check_query(passed_on.query, "the query of filter, text and query together")
        return await self._found(passed_on, read, self._work(request), deadline_s)

    async def _found(
        self, request: tags_pb2.FindProductsRequest, read: Read | None, work: int, deadline_s: float
    ) -> bytes:
        # What somebody typed may fit less sure tags better than none; ranked by confidence, sure ones come first.
        may_widen = read is not None and request.query.min_band == tags_pb2.BAND_UNSPECIFIED
        is_wide = may_widen and request.page_token.startswith(_WIDE)
        if is_wide:
            request.page_token = request.page_token.removeprefix(_WIDE)
            request.query.min_band = tags_pb2.BAND_REVIEW
        reply = await self._forward("FindProducts", request, work, deadline_s)
        if may_widen and not is_wide and tags_pb2.FindProductsResponse.FromString(reply).total == 0:
            request.query.min_band = tags_pb2.BAND_REVIEW
            wide = await self._forward("FindProducts", request, work, deadline_s)
            if tags_pb2.FindProductsResponse.FromString(wide).total:
                reply, is_wide = wide, True
            else:
                request.query.min_band = tags_pb2.BAND_UNSPECIFIED
        more = tags_pb2.FindProductsResponse(min_band=request.query.min_band or tags_pb2.BAND_AUTO)
        tell(more, read)
        # Protobuf merges messages whose bytes follow each other.
        reply += more.SerializeToString()
        return _with_wide_token(reply) if is_wide else reply

    def _work(self, request: tags_pb2.FindProductsRequest) -> int:
        return 1 + (self._texts.facet_count() if ALL in request.count_facets else len(request.count_facets))


def _is_empty(query: tags_pb2.TagQuery) -> bool:
    return not (query.all_of or query.any_of or query.none_of)


def _with_wide_token(reply: bytes) -> bytes:
    found = tags_pb2.FindProductsResponse.FromString(reply)
    if found.next_page_token:
        found.next_page_token = f"{_WIDE}{found.next_page_token}"
    return found.SerializeToString()
