"""Requests in JSON: any bytes, decoded as those that arrive over HTTP."""

from google.protobuf import json_format

from hangtag.server.errors import CallError
from hangtag.server.web.proto_json import from_json, to_json
from hangtag.v1 import tags_pb2
from tests.fuzz.contract import refused, require

_KINDS = (
    tags_pb2.GetProductTagsRequest,
    tags_pb2.BatchGetProductTagsRequest,
    tags_pb2.SuggestTagsRequest,
    tags_pb2.BatchSuggestTagsRequest,
)

# The first byte chooses the method.
SEEDS = (
    b'\x00{"productId": "sku-1", "minVersion": "3", "waitForVersion": 4}',
    b'\x00{"product_id": "sku-1", "filter": {"facets": ["color"], "max_tags": 2, "min_confidence": 0.5, "minBand": 1}}',
    b'\x00{"filter": {"minBand": "BAND_AUTO"}, "filter": null, "unknown": [{"a": {}}]}',
    b'\x00{"minVersion": 1e18, "productId": "\\ud800"}',
    b'\x00{"minVersion": 99999999999999999999}',
    b'\x01{"productIds": ["sku-1", "\\u00e9"], "minVersions": [0, "9223372036854775807"]}',
    b'\x01{"productIds": [null, 1, {}]}',
    b'\x02{"text": "red wool scarf", "kind": "TEXT_KIND_QUERY", "merchantCategory": "a > b"}',
    b'\x02{"kind": "QUERY"}',
    b'\x03{"texts": [{"text": "red"}, {"text": "blue", "filter": {}}, 5]}',
    b"\x03" + b'{"texts":[' * 40,
    b"\x02[]",
    b"\x02",
)


def target(data: bytes) -> str:
    """Decode one request; what was accepted means the same after another turn."""
    kind = _KINDS[data[0] % len(_KINDS) if data else 0]
    body = data[1:]
    try:
        raw = from_json(kind, body)
    except CallError as error:
        require(error.reason.label == "MALFORMED_REQUEST", f"the reason {error.reason.label}")
        return refused(error, body)
    request = kind.FromString(raw)
    require(from_json(kind, to_json(kind, raw)) == raw, "another request after another turn")
    require(json_format.Parse(to_json(kind, raw), kind()) == request, "protobuf reads another request")
    return kind.__name__
