"""What a request must be; each refusal names the field."""

from typing import NoReturn

import grpc

from hangtag.server.errors import CallError
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2

_MAX_CHARS = {"text": 10_000, "description": 10_000, "merchant_category": 1_000}


def check_get(request: tags_pb2.GetProductTagsRequest) -> bytes:
    """The id as UTF-8.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    if request.min_version < 0:
        _refuse(f"min_version is {request.min_version}; versions are 0 or more")
    return _check_id("product_id", request.product_id)


def check_batch(request: tags_pb2.BatchGetProductTagsRequest, max_ids: int) -> list[bytes]:
    """The ids as UTF-8, in order.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    count = len(request.product_ids)
    if not count:
        _refuse("product_ids is empty; give at least one id")
    if count > max_ids:
        _refuse(f"product_ids has {count} ids, at most {max_ids} fit one call; split them")
    return [_check_id(f"product_ids[{place}]", product) for place, product in enumerate(request.product_ids)]


def check_suggest(request: tags_pb2.SuggestTagsRequest) -> ProductText:
    """The texts, cleaned.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    for field, most in _MAX_CHARS.items():
        length = len(getattr(request, field))
        if length > most:
            _refuse(f"{field} has {length} characters, at most {most} are read; shorten it")
    text = ProductText.of(request.text, request.description, request.merchant_category)
    if text.is_empty:
        _refuse("text, description and merchant_category are all empty (after markup is taken away); give one")
    return text


def _check_id(field: str, product: str) -> bytes:
    encoded = product.encode()
    if not encoded:
        _refuse(f"{field} is empty; give the shop's id of the product")
    if len(encoded) > MAX_ID_BYTES:
        _refuse(f"{field} has {len(encoded)} bytes of UTF-8, an id has at most {MAX_ID_BYTES}")
    return encoded


def _refuse(message: str) -> NoReturn:
    raise CallError(grpc.StatusCode.INVALID_ARGUMENT, message)
