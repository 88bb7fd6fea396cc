"""Checks of requests; each error names the field and what it must be."""

from typing import NoReturn

from hangtag.server.errors import CallError, Reason
from hangtag.text.kind import TextKind
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2

KINDS = {tags_pb2.TEXT_KIND_PRODUCT: TextKind.PRODUCT, tags_pb2.TEXT_KIND_QUERY: TextKind.QUERY}

_MAX_CHARS = {"text": 10_000, "description": 10_000, "merchant_category": 1_000}


def check_get(request: tags_pb2.GetProductTagsRequest) -> bytes:
    """The product id as UTF-8.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    if request.min_version < 0:
        _refuse(f"min_version is {request.min_version}; versions are 0 or more")
    if request.wait_for_version < 0:
        _refuse(f"wait_for_version is {request.wait_for_version}; versions are 0 or more")
    return _check_id("product_id", request.product_id)


def check_batch(request: tags_pb2.BatchGetProductTagsRequest, max_ids: int) -> list[bytes]:
    """The product ids as UTF-8, in order.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    count = len(request.product_ids)
    if not count:
        _refuse("product_ids is empty; send at least one id")
    if count > max_ids:
        _refuse(f"product_ids has {count} ids, the maximum is {max_ids} per call; split them over several calls")
    versions = request.min_versions
    if versions and len(versions) != count:
        _refuse(f"min_versions has {len(versions)} versions for {count} ids; send one for each id, or none at all")
    for place, version in enumerate(versions):
        if version < 0:
            _refuse(f"min_versions[{place}] is {version}; versions are 0 or more")
    return [_check_id(f"product_ids[{place}]", product) for place, product in enumerate(request.product_ids)]


def check_suggest(request: tags_pb2.SuggestTagsRequest) -> tuple[ProductText, TextKind]:
    """The cleaned texts, and their kind: the requested one, else PRODUCT if there is a description or a category.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    for field, most in _MAX_CHARS.items():
        length = len(getattr(request, field))
        if length > most:
            _refuse(f"{field} has {length} characters, the maximum is {most}; shorten it")
    text = ProductText.of(request.text, request.description, request.merchant_category)
    if text.is_empty:
        _refuse("text, description and merchant_category have no visible text (without markup); send at least one")
    return text, _kind_of(request)


def _kind_of(request: tags_pb2.SuggestTagsRequest) -> TextKind:
    if request.kind == tags_pb2.TEXT_KIND_UNSPECIFIED:
        return TextKind.PRODUCT if request.description or request.merchant_category else TextKind.QUERY
    kind = KINDS.get(request.kind)
    if kind is None:
        _refuse(f"kind is {request.kind}; send TEXT_KIND_PRODUCT (1), TEXT_KIND_QUERY (2) or leave it unset")
    return kind


def _check_id(field: str, product: str) -> bytes:
    encoded = product.encode()
    if not encoded:
        _refuse(f"{field} is empty; send the shop's id of the product")
    if len(encoded) > MAX_ID_BYTES:
        _refuse(f"{field} has {len(encoded)} bytes of UTF-8, the maximum is {MAX_ID_BYTES}")
    return encoded


def _refuse(message: str) -> NoReturn:
    raise CallError(Reason.INVALID_REQUEST, message)
