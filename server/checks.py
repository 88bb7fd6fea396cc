"""Checks of requests; each error names the field and what it must be."""

from typing import NoReturn

from hangtag.server.errors import CallError, Reason
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.v1 import tags_pb2

_MAX_FACETS = 64
_MAX_FACET_CHARS = 256
_BANDS = frozenset({tags_pb2.BAND_UNSPECIFIED, tags_pb2.BAND_AUTO, tags_pb2.BAND_REVIEW})


def check_get(request: tags_pb2.GetProductTagsRequest) -> bytes:
    """The product id as UTF-8.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    if request.min_version < 0:
        refuse(f"min_version is {request.min_version}; versions are 0 or more")
    if request.wait_for_version < 0:
        refuse(f"wait_for_version is {request.wait_for_version}; versions are 0 or more")
    if request.HasField("filter"):
        check_filter(request.filter)
    encoded = request.product_id.encode()
    if not 0 < len(encoded) <= MAX_ID_BYTES:
        _refuse_id("product_id", len(encoded))
    return encoded


def check_batch(request: tags_pb2.BatchGetProductTagsRequest, max_ids: int) -> list[bytes]:
    """The product ids as UTF-8, in order.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    count = len(request.product_ids)
    if not count:
        refuse("product_ids is empty; send at least one id")
    if count > max_ids:
        refuse(f"product_ids has {count} ids, the maximum is {max_ids} per call; split them over several calls")
    versions = request.min_versions
    if versions and len(versions) != count:
        refuse(f"min_versions has {len(versions)} versions for {count} ids; send one for each id, or none at all")
    for place, version in enumerate(versions):
        if version < 0:
            refuse(f"min_versions[{place}] is {version}; versions are 0 or more")
    check_filter(request.filter)
    ids = [product.encode() for product in request.product_ids]
    for place, encoded in enumerate(ids):
        if not 0 < len(encoded) <= MAX_ID_BYTES:
            _refuse_id(f"product_ids[{place}]", len(encoded))
    return ids


def _refuse_id(field: str, size: int) -> NoReturn:
    if not size:
        refuse(f"{field} is empty; send the shop's id of the product")
    refuse(f"{field} has {size} bytes of UTF-8, the maximum is {MAX_ID_BYTES}")


def check_filter(tag_filter: tags_pb2.TagFilter, place: str = "filter") -> None:
    """Check a filter of tags; `place` names it in errors.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    if len(tag_filter.facets) > _MAX_FACETS:
        refuse(f"{place}.facets has {len(tag_filter.facets)} facets, the maximum is {_MAX_FACETS}; leave some out")
    for number, name in enumerate(tag_filter.facets):
        if not 1 <= len(name) <= _MAX_FACET_CHARS:
            problem = f"has {len(name)} characters, the maximum is {_MAX_FACET_CHARS}" if name else "is empty"
            refuse(f"{place}.facets[{number}] {problem}; send the name of a facet, for example color")
    if tag_filter.max_tags < 0:
        refuse(f"{place}.max_tags is {tag_filter.max_tags}; send 1 or more, or leave it unset for all tags")
    if not 0 <= tag_filter.min_confidence <= 1:  # not a number is neither
        refuse(f"{place}.min_confidence is {tag_filter.min_confidence:g}; send a number from 0 to 1")
    if tag_filter.min_band not in _BANDS:
        refuse(f"{place}.min_band is {tag_filter.min_band}; send BAND_AUTO (1), BAND_REVIEW (2) or leave it unset")


def refuse(message: str) -> NoReturn:
    """Raise the error of a request that is wrong; the message names the field and what it must be."""
    raise CallError(Reason.INVALID_REQUEST, message)
