"""Requests for searches: any bytes, parsed and checked as the handlers do."""

from collections.abc import Callable
from typing import Any

from hangtag.server.errors import CallError
from hangtag.server.look_up import parsed
from hangtag.server.search.checks import check_clarify, check_find, check_profile, check_similar, check_text
from hangtag.v1 import tags_pb2
from tests.fuzz.contract import refused, require

_NAME = tags_pb2.TagName(facet="color", value="red")
_QUERY = tags_pb2.TagQuery(all_of=[_NAME], any_of=[{"tags": [_NAME]}], none_of=[_NAME], min_band="BAND_REVIEW")
_CHECKS: tuple[tuple[type[Any], Callable[[Any], None]], ...] = (
    (tags_pb2.FindProductsRequest, check_find),
    (tags_pb2.ClarifyRequest, check_clarify),
    (tags_pb2.SimilarProductsRequest, check_similar),
    (tags_pb2.TagProfileRequest, check_profile),
)

# The first byte chooses the method.
SEEDS = (
    b"\x00"
    + tags_pb2.FindProductsRequest(
        query=_QUERY,
        base=_QUERY,
        text="red shoes",
        boosts=[{"facet": "a", "value": "b", "weight": float("nan")}],
        count_facets=["*"],
        page_size=100,
    ).SerializeToString(),
    b"\x00" + tags_pb2.FindProductsRequest(query={"any_of": [{}]}, page_size=-1).SerializeToString(),
    b"\x00" + tags_pb2.FindProductsRequest(text="<b></b>", max_values=9).SerializeToString(),
    b"\x00" + b"\x0a\x04\x0a\x02\x0a\x00" * 300,
    b"\x00\x0a\xff\xff\xff\xff\x0f",
    b"\x01" + tags_pb2.ClarifyRequest(text="shoes", query=_QUERY, asked_facets=["a"], max_values=9).SerializeToString(),
    b"\x02" + tags_pb2.SimilarProductsRequest(product_id="x" * 257, base=_QUERY).SerializeToString(),
    b"\x03" + tags_pb2.TagProfileRequest(product_ids=["a", ""], max_tags=1_000).SerializeToString(),
    b"\x03" + b"\x0a\x01a" * 1_200,
)


def target(data: bytes) -> str:
    """Parse and check one request."""
    raw = data[1:]
    kind, check = _CHECKS[data[0] % len(_CHECKS) if data else 0]
    try:
        request = parsed(kind, raw)
        check(request)
        if getattr(request, "text", ""):
            require(not check_text(request.text).text.is_empty, "an empty text")
    except CallError as error:
        require(error.code.name == "INVALID_ARGUMENT", f"the status {error.code.name}")
        return refused(error, raw)
    return kind.__name__
