"""Checks of requests for suggestions; each error names the field and what it must be."""

from hangtag.server.checks import check_filter, refuse
from hangtag.server.suggestion import KIND_VALUES, Asked, usual_kind
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields
from hangtag.v1 import tags_pb2

_KINDS = {value: kind for kind, value in KIND_VALUES.items()}
MAX_TEXTS = 100

_MAX_CHARS = {"text": 10_000, "description": 10_000, "merchant_category": 1_000}


def check_suggest(request: tags_pb2.SuggestTagsRequest, place: str = "") -> Asked:
    """The cleaned text, and its kind: the requested one, else PRODUCT if there is a description or a category.

    `place` is the request's place in a batch, in front of the names of fields in errors: `texts[3].`.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    for field, most in _MAX_CHARS.items():
        length = len(getattr(request, field))
        if length > most:
            refuse(f"{place}{field} has {length} characters, the maximum is {most}; shorten it")
    check_filter(request.filter, f"{place}filter")
    kind = _kind_of(request, place)
    fields = CleanedFields.of(request.text, request.description, request.merchant_category)
    if fields.text.is_empty:
        names = ", ".join(f"{place}{field}" for field in ("text", "description"))
        refuse(f"{names} and {place}merchant_category have no visible text (without markup); send at least one")
    return Asked(fields, kind)


def check_suggest_batch(request: tags_pb2.BatchSuggestTagsRequest) -> list[Asked]:
    """The texts in order, each as `check_suggest` returns it. One that is wrong refuses the request.

    Raises:
        CallError: INVALID_ARGUMENT; the message names the text by its place, for example `texts[3].text`.
    """
    check_count(request)
    return [check_suggest(text, f"texts[{place}].") for place, text in enumerate(request.texts)]


def check_count(request: tags_pb2.BatchSuggestTagsRequest) -> None:
    """Check the number of texts alone, at once: half a million empty ones take 44 MiB as long as their request waits.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    count = len(request.texts)
    if not count:
        refuse("texts is empty; send at least one text")
    if count > MAX_TEXTS:
        refuse(f"texts has {count} texts, the maximum is {MAX_TEXTS} per call; split them over several calls")


def _kind_of(request: tags_pb2.SuggestTagsRequest, place: str) -> TextKind:
    if request.kind == tags_pb2.TEXT_KIND_UNSPECIFIED:
        return usual_kind(request.description, request.merchant_category)
    kind = _KINDS.get(request.kind)
    if kind is None:
        refuse(f"{place}kind is {request.kind}; send TEXT_KIND_PRODUCT (1), TEXT_KIND_QUERY (2) or leave it unset")
    return kind
