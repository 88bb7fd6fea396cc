"""Requests as they arrive: any bytes, parsed and checked as the handlers do."""

from hangtag.server.errors import CallError
from hangtag.server.look_up import batch_parser, parse_get, parsed
from hangtag.server.suggest_checks import MAX_TEXTS, check_suggest, check_suggest_batch
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.v1 import tags_pb2
from tests.fuzz.contract import refused, require

_MAX_IDS = 100


_parse_batch = batch_parser(_MAX_IDS)

# The first byte chooses the method.
SEEDS = (
    b"\x00" + tags_pb2.GetProductTagsRequest(product_id="sku-1", min_version=3).SerializeToString(),
    b"\x00" + tags_pb2.GetProductTagsRequest(product_id="x" * 257).SerializeToString(),
    b"\x00" + tags_pb2.GetProductTagsRequest(product_id="sku-1", min_version=-1).SerializeToString(),
    b"\x00\x0a\x02\xff\xfe",
    b"\x00\x0a\xff\xff\xff\xff\x0f",
    b"\x01" + tags_pb2.BatchGetProductTagsRequest(product_ids=["sku-1", "sku-1", "\u00e9"]).SerializeToString(),
    b"\x01" + tags_pb2.BatchGetProductTagsRequest(product_ids=["", "x"]).SerializeToString(),
    b"\x01" + b"\x0a\x00" * 150,
    b"\x02" + tags_pb2.SuggestTagsRequest(text="red wool scarf", kind=tags_pb2.TEXT_KIND_QUERY).SerializeToString(),
    b"\x02" + tags_pb2.SuggestTagsRequest(text="<b></b>", description="x", merchant_category="y").SerializeToString(),
    b"\x02" + tags_pb2.SuggestTagsRequest(text="red").SerializeToString() + b"\x20\x63",
    b"\x02" + b"\x0b" * 150,
    b"\x02"
    + tags_pb2.SuggestTagsRequest(
        text="red", filter=tags_pb2.TagFilter(facets=["color"], max_tags=3, min_confidence=0.5, min_band="BAND_AUTO")
    ).SerializeToString(),
    b"\x03" + tags_pb2.BatchSuggestTagsRequest(texts=[{"text": "red"}, {"text": ""}]).SerializeToString(),
    b"\x03" + b"\x0a\x00" * 150,
)


def target(data: bytes) -> str:
    """Parse and check one request."""
    raw = data[1:]
    try:
        return (_get, _batch, _suggest, _suggest_batch)[data[0] % 4 if data else 0](raw)
    except CallError as error:
        require(error.code.name == "INVALID_ARGUMENT", f"the status {error.code.name}")
        return refused(error, raw)


def _get(raw: bytes) -> str:
    (product,) = parse_get(raw).utf8
    require(1 <= len(product) <= MAX_ID_BYTES, "the id is empty or too long")
    return "get"


def _batch(raw: bytes) -> str:
    look_up = _parse_batch(raw)
    require(1 <= len(look_up.utf8) <= _MAX_IDS, f"{len(look_up.utf8)} ids")
    require(len(look_up.ids) == len(look_up.utf8) == len(look_up.min_versions), "not one of each")
    return "batch"


def _suggest(raw: bytes) -> str:
    asked = check_suggest(parsed(tags_pb2.SuggestTagsRequest, raw))
    require(not asked.text.is_empty, "an empty text")
    return str(asked.kind)


def _suggest_batch(raw: bytes) -> str:
    texts = check_suggest_batch(parsed(tags_pb2.BatchSuggestTagsRequest, raw))
    require(1 <= len(texts) <= MAX_TEXTS, f"{len(texts)} texts")
    require(not any(asked.text.is_empty for asked in texts), "an empty text")
    return "suggest-batch"
