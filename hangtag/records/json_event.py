"""Reads a `ProductEvent` from proto3 JSON.

Unlike protobuf's own `json_format` it is fast, and its errors name the field without quoting the product.
"""

import re
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.records.quoted import quoted
from hangtag.records.unreadable import describe, half_a_pair
from hangtag.text.limits import MAX_VERSION
from hangtag.v1 import events_pb2

DECODE = "decode"
VALIDATE = "validate"

# Numbers, names, and names without their prefix (not for UNSPECIFIED).
_TYPES: dict[str | int, events_pb2.EventType.ValueType] = {
    **{number: number for number in events_pb2.EventType.values()},
    **dict(events_pb2.EventType.items()),
    **{name.removeprefix("EVENT_TYPE_"): number for name, number in events_pb2.EventType.items() if number},
}
_INT64 = re.compile(r"-?[0-9]{1,19}")
_WITHOUT_ZONE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?")
_MAX_EXACT_FLOAT = 2.0**53
_KIND_NAMES = {int: "a number", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


class EventError(ValueError):
    """A record cannot be tagged. `stage`: where it failed; `reason`: for the sender and for logs.

    A reason quotes ids, versions, types, times, keys and content types, shortened, but never the product's texts.
    """

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def read_json(value: bytes) -> events_pb2.ProductEvent:
    """Read a `ProductEvent` from proto3 JSON, snake_case or lowerCamelCase; unknown fields are ignored.

    Raises:
        EventError: the value is not a JSON object, or a field has the wrong type.
    """
    fields, product = _objects(value)
    return events_pb2.ProductEvent(
        event_id=_text(fields, "event_id", "eventId"),
        type=_type(fields.get("type")),
        time=_time(fields.get("time")),
        product=None if product is None else _product(product),
    )


def read_json_version(value: bytes) -> tuple[str, int, Timestamp | None]:
    """Product id, version and time of a `ProductEvent` in proto3 JSON, without a look at the other fields.

    The time is read only where the version is 0 and it counts. Raises what `read_json` raises.
    """
    fields, product = _objects(value)
    product = product or {}
    version = _int64(_get(product, "version", "version"))
    return _text(product, "product_id", "productId"), version, None if version else _time(fields.get("time"))


def _objects(value: bytes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The event and the product in it."""
    fields = _parse(value)
    if not isinstance(fields, dict):
        raise EventError(DECODE, "the value is JSON but not an object; send one hangtag.v1.ProductEvent per record")
    product = _get(fields, "product", "product")
    if product is not None and not isinstance(product, dict):
        raise EventError(DECODE, "product must be an object")
    return fields, product


def _parse(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
    # The messages of orjson are not used: they name the place, but not what is wrong there.
    if (known := describe(value)) is not None:
        raise EventError(DECODE, known)
    if (half := half_a_pair(value)) is not None:
        raise EventError(DECODE, f"the value is not valid JSON: {half}")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise EventError(DECODE, f"the value is not UTF-8 at byte {error.start}; encode JSON as UTF-8") from None
    reason = f"the value is not valid JSON: {place}" if value else "the value is empty, which is not valid JSON"
    raise EventError(DECODE, f"{reason}; for binary protobuf, send the header content-type: application/x-protobuf")


def _product(fields: dict[str, Any]) -> events_pb2.Product:
    return events_pb2.Product(
        product_id=_text(fields, "product_id", "productId"),
        version=_int64(_get(fields, "version", "version")),
        title=_text(fields, "title", "title"),
        description=_text(fields, "description", "description"),
        merchant_category=_text(fields, "merchant_category", "merchantCategory"),
        language=_text(fields, "language", "language"),
        shop_id=_text(fields, "shop_id", "shopId"),
        url=_text(fields, "url", "url"),
        image_urls=_texts(fields, "image_urls", "imageUrls"),
        price=_price(fields.get("price")),
        attributes=_attributes(fields.get("attributes")),
    )


def _get(fields: dict[str, Any], name: str, camel: str) -> Any:
    found = fields.get(name)
    return fields.get(camel) if found is None else found


def _text(fields: dict[str, Any], name: str, camel: str) -> str:
    found = _get(fields, name, camel)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise EventError(DECODE, f"{name} must be a string, not {_KIND_NAMES.get(type(found), 'null')}")
    return found


def _texts(fields: dict[str, Any], name: str, camel: str) -> list[str]:
    found = _get(fields, name, camel)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise EventError(DECODE, f"{name} must be a list of strings")
    return found


def _price(found: Any) -> events_pb2.Price | None:
    if found is None:
        return None
    if not isinstance(found, dict):
        example = '{"currency": "EUR", "amount": "19.99"}'
        raise EventError(
            DECODE, f"price must be an object such as {example}, not {_KIND_NAMES.get(type(found), 'text')}"
        )
    amount = found.get("amount")
    if isinstance(amount, (int, float)) and not isinstance(amount, bool):
        # As it was written, since a float is printed by its shortest form.
        found = {**found, "amount": str(amount)}
    return events_pb2.Price(
        currency=_text(found, "currency", "currency"),
        amount=_text(found, "amount", "amount"),
    )


def _attributes(found: Any) -> dict[str, str] | None:
    if found is None:
        return None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise EventError(DECODE, 'attributes must be an object of strings, such as {"material": "wool"}')
    return found


def _int64(found: Any) -> int:
    number: int | None = None
    if found is None:
        number = 0
    elif isinstance(found, str):
        number = int(found) if _INT64.fullmatch(found) else None
    elif isinstance(found, float):
        number = int(found) if found.is_integer() and abs(found) <= _MAX_EXACT_FLOAT else None
    elif isinstance(found, int) and not isinstance(found, bool):
        number = found
    if number is None or not -MAX_VERSION - 1 <= number <= MAX_VERSION:
        reason = f"version must be a 64-bit integer, as a number or a string, not {quoted(found)}"
        raise EventError(DECODE, reason)
    return number


def _type(found: Any) -> events_pb2.EventType.ValueType:
    if found is None:
        return events_pb2.EVENT_TYPE_UNSPECIFIED
    number = _TYPES.get(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else None
    if number is None:
        raise EventError(DECODE, type_reason(found))
    return number


def type_reason(found: Any) -> str:
    """Why a type is refused."""
    return f"type must be CREATED, UPDATED or DELETED (or with the prefix EVENT_TYPE_), not {quoted(found)}"


def _time(found: Any) -> Timestamp | None:
    if found is None:
        return None
    example = "2026-01-31T12:00:00Z"
    if not isinstance(found, str):
        raise EventError(DECODE, f"time must be a string such as {example}, not {quoted(found)}")
    if _WITHOUT_ZONE.fullmatch(found):
        reason = f"time has no zone: {quoted(found)}; end it with Z for UTC, or with an offset such as +01:00"
        raise EventError(DECODE, f"{reason} (as in {example})")
    time = Timestamp()
    try:
        time.FromJsonString(found)
    except (ValueError, TypeError, AttributeError, OverflowError):
        reason = f"time must have date, time and zone as in {example}, not {quoted(found)}"
        raise EventError(DECODE, reason) from None
    return time
