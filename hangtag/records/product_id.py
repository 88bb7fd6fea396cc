"""The product id in a value that need not be a valid event."""

import re
from typing import Any

import orjson
from google.protobuf.message import DecodeError

from hangtag.records.record import Headers
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.v1 import events_pb2

# A JSON string of an id, in a value that is truncated or not JSON.
_MEMBER = re.compile(rb'"product_?[iI]d"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.){1,1024}"|[0-9]{1,64})')


def product_id_of(value: bytes | None, headers: Headers) -> str:
    """The id that the value of a product event names, as far as it can be read; empty if it names none."""
    if value is None:
        return ""
    types = [text or b"" for name, text in headers if name.lower() == "content-type"]
    found = _in_protobuf(value) if any(b"protobuf" in each for each in types) else _in_json(value)
    return found.encode("utf-8", "replace")[:MAX_ID_BYTES].decode("utf-8", "ignore")


def _in_protobuf(value: bytes) -> str:
    try:
        return events_pb2.ProductEvent.FromString(value).product.product_id
    except (DecodeError, UnicodeDecodeError):
        return ""


def _in_json(value: bytes) -> str:
    product = _member(_parsed(value), "product")
    found = _member(product, "product_id")
    found = _member(product, "productId") if found is None else found
    if found is None and product is None:
        match = _MEMBER.search(value)
        found = None if match is None else _parsed(match[1])
    return "" if found is None or isinstance(found, (dict, list)) else str(found)


def _parsed(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _member(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else None
