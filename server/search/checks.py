"""Checks of searches; each error names the field and what it must be."""

from collections.abc import Sequence

from hangtag.server.checks import refuse
from hangtag.server.suggestion import Asked
from hangtag.text.kind import TextKind
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.text.product_text import CleanedFields
from hangtag.v1 import tags_pb2

MAX_PAGE = 100
MAX_TAGS = 256
MAX_FACETS = 64
MAX_PROFILE_IDS = 1_000
_MAX_BOOSTS = 64
_MAX_WEIGHT = 100
_MAX_VALUES = 1_000
_MAX_PROFILE_TAGS = 200
_MAX_TEXT = 10_000
_MAX_TOKEN = 1_024
_MAX_LANGUAGE = 35
_CHOICES = range(2, 6)
_MAX_NAME = 256
_BANDS = frozenset({tags_pb2.BAND_UNSPECIFIED, tags_pb2.BAND_AUTO, tags_pb2.BAND_REVIEW})


def check_find(request: tags_pb2.FindProductsRequest) -> None:
    """Check a request for products.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    check_query(request.query, "query")
    check_query(request.base, "base")
    if len(request.boosts) > _MAX_BOOSTS:
        refuse(f"boosts has {len(request.boosts)} tags, the maximum is {_MAX_BOOSTS}; leave some out")
    for at, boost in enumerate(request.boosts):
        _check_name(boost, f"boosts[{at}]")
        if not 0 <= boost.weight <= _MAX_WEIGHT:  # not a number is neither
            refuse(f"boosts[{at}].weight is {boost.weight:g}; send a number from 0 to {_MAX_WEIGHT}")
    _check_range("page_size", request.page_size, MAX_PAGE)
    if len(request.page_token) > _MAX_TOKEN:
        refuse("page_token is none of this server; send next_page_token of the page before")
    check_facets(request.count_facets, "count_facets")
    _check_range("max_values", request.max_values, _MAX_VALUES)


def check_clarify(request: tags_pb2.ClarifyRequest) -> None:
    """Check a request for a question. Errors: as `check_find`."""
    check_query(request.query, "query")
    check_query(request.base, "base")
    check_facets(request.asked_facets, "asked_facets")
    check_facets(request.facets, "facets")
    if request.max_values and request.max_values not in _CHOICES:
        refuse(f"max_values is {request.max_values}; send 2 to 5, or leave it unset for 5")
    if len(request.language) > _MAX_LANGUAGE:
        refuse("language is too long; send a code such as en, or leave it unset")


def check_similar(request: tags_pb2.SimilarProductsRequest) -> None:
    """Check a request for products like one. Errors: as `check_find`."""
    _check_id("product_id", request.product_id)
    _check_range("page_size", request.page_size, MAX_PAGE)
    check_query(request.base, "base")


def check_profile(request: tags_pb2.TagProfileRequest) -> None:
    """Check a request for what products have in common. Errors: as `check_find`."""
    count = len(request.product_ids)
    if not 0 < count <= MAX_PROFILE_IDS:
        refuse(f"product_ids has {count} ids; send 1 to {MAX_PROFILE_IDS}")
    for at, product_id in enumerate(request.product_ids):
        _check_id(f"product_ids[{at}]", product_id)
    _check_range("max_tags", request.max_tags, _MAX_PROFILE_TAGS)
    check_facets(request.without_facets, "without_facets")
    if len(request.without_tags) > MAX_TAGS:
        refuse(f"without_tags has {len(request.without_tags)} tags, the maximum is {MAX_TAGS}; leave some out")
    for at, tag in enumerate(request.without_tags):
        _check_name(tag, f"without_tags[{at}]")


def check_facets(facets: Sequence[str], place: str) -> None:
    """Check names of facets. Errors: as `check_find`."""
    if len(facets) > MAX_FACETS:
        refuse(f"{place} has {len(facets)} facets, the maximum is {MAX_FACETS}; leave some out")
    for at, facet in enumerate(facets):
        if not 0 < len(facet) <= _MAX_NAME:
            refuse(f"{place}[{at}] has {len(facet)} characters; send the name of a facet, for example color")


def check_query(query: tags_pb2.TagQuery, place: str) -> None:
    """Check a query of tags. Errors: as `check_find`."""
    count = len(query.all_of) + len(query.none_of) + sum(len(group.tags) for group in query.any_of)
    if count > MAX_TAGS or len(query.any_of) > MAX_TAGS:
        refuse(f"{place} has {max(count, len(query.any_of))} tags or groups, the maximum is {MAX_TAGS}; leave some out")
    for at, tag in enumerate(query.all_of):
        _check_name(tag, f"{place}.all_of[{at}]")
    for at, tag in enumerate(query.none_of):
        _check_name(tag, f"{place}.none_of[{at}]")
    for at, group in enumerate(query.any_of):
        if not group.tags:
            refuse(f"{place}.any_of[{at}].tags is empty; send at least one tag, or leave the group out")
        for number, tag in enumerate(group.tags):
            _check_name(tag, f"{place}.any_of[{at}].tags[{number}]")
    if query.min_band not in _BANDS:
        refuse(f"{place}.min_band is {query.min_band}; send BAND_AUTO (1), BAND_REVIEW (2) or leave it unset")


def check_text(text: str) -> Asked:
    """The cleaned text of a search, as a query. Errors: as `check_find`."""
    if len(text) > _MAX_TEXT:
        refuse(f"text has {len(text)} characters, the maximum is {_MAX_TEXT}; shorten it")
    fields = CleanedFields.of(text, "", "")
    if fields.text.is_empty:
        refuse("text has no visible text (without markup); send some words, or leave it unset")
    return Asked(fields, TextKind.QUERY)


def _check_name(tag: tags_pb2.TagName | tags_pb2.TagBoost, place: str) -> None:
    for field, name in (("facet", tag.facet), ("value", tag.value)):
        if not 0 < len(name) <= _MAX_NAME:
            problem = f"has {len(name)} characters, the maximum is {_MAX_NAME}" if name else "is empty"
            refuse(f"{place}.{field} {problem}; send a tag as facet and value, for example color and red")


def _check_id(place: str, product_id: str) -> None:
    size = len(product_id.encode())
    if not 0 < size <= MAX_ID_BYTES:
        refuse(f"{place} has {size} bytes of UTF-8; send the shop's id of a product, 1 to {MAX_ID_BYTES} bytes")


def _check_range(field: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        refuse(f"{field} is {value}; send 1 to {most}, or leave it unset")
