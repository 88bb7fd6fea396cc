"""Decodes the value of a product event, JSON or binary protobuf, into a checked `Event`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.records.dead_letter import TRUNCATED
from hangtag.records.json_event import DECODE, VALIDATE, EventError, read_json, read_json_version, type_reason
from hangtag.records.quoted import quoted
from hangtag.records.record import Headers, size_of
from hangtag.records.replay import first_sent_ms
from hangtag.records.shop_fields import NO_FIELDS, ShopFields, checked_fields
from hangtag.records.unreadable import describe
from hangtag.text.limits import MAX_ID_BYTES, MAX_VERSION
from hangtag.text.product_text import CleanedFields, ProductText
from hangtag.v1 import events_pb2

__all__ = ["Event", "EventError", "Kind", "ProductVersion", "decode_event", "decode_version"]

_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"
_NO_TEXTS = CleanedFields.of_cleaned("")


class Kind(StrEnum):
    """What happened to the product."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


_KINDS = {
    events_pb2.EVENT_TYPE_UNSPECIFIED: Kind.UPDATED,
    events_pb2.EVENT_TYPE_CREATED: Kind.CREATED,
    events_pb2.EVENT_TYPE_UPDATED: Kind.UPDATED,
    events_pb2.EVENT_TYPE_DELETED: Kind.DELETED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """A checked change of one product.

    `version` is 0 or more; `fields` are the cleaned texts, empty only if DELETED; `shop` is what is carried along.
    """

    event_id: str
    kind: Kind
    product_id: str
    version: int
    fields: CleanedFields
    language: str
    shop: ShopFields = NO_FIELDS

    @property
    def text(self) -> ProductText:
        """What is tagged."""
        return self.fields.text


class ProductVersion(NamedTuple):
    """Which version of which product a record is about."""

    product_id: str
    version: int


def decode_event(
    value: bytes | None, key: bytes | None, headers: Headers, timestamp_ms: int, max_record_bytes: int
) -> Event:
    """Decode the value of one record; the key, headers and timestamp are those of the record.

    A record that was sent again counts as of the time when it was first sent: an event without a version gets the same
    version again, not a newer one.

    Raises:
        EventError: the record cannot be tagged. The message says what to send instead and never quotes the product.
    """
    content = _content(value, key, headers, max_record_bytes)
    message = read_json(content.value) if content.is_json else _read_protobuf(content.value)
    return _check(message, key, first_sent_ms(headers, timestamp_ms))


def decode_version(
    value: bytes | None, key: bytes | None, headers: Headers, timestamp_ms: int, max_record_bytes: int
) -> ProductVersion:
    """Which version of which product a record is about; its texts are not looked at.

    Whatever `decode_event` decodes has the same id and version here. So have many records that it refuses.

    Raises:
        EventError: the record does not say it, as in `decode_event`.
    """
    content = _content(value, key, headers, max_record_bytes)
    if content.is_json:
        product_id, version, time = read_json_version(content.value)
    else:
        message = _read_protobuf(content.value)
        product_id, version, time = message.product.product_id, message.product.version, _time(message)
    _check_id(product_id, key)
    return ProductVersion(product_id, _version(version, time, first_sent_ms(headers, timestamp_ms)))


class _Content(NamedTuple):
    value: bytes
    is_json: bool


def _content(value: bytes | None, key: bytes | None, headers: Headers, max_record_bytes: int) -> _Content:
    """The value of a record that is whole and not too large, and what it is written in."""
    if any(name == TRUNCATED for name, _ in headers):
        reason = "the record is a dead letter from which something was left out"
        raise EventError(DECODE, f"{reason} (header {TRUNCATED}); send the product's event again instead")
    if value is None:
        raise EventError(DECODE, "the value is null; to delete a product, send an event of type DELETED")
    size = size_of(key, value, headers)
    if size > max_record_bytes:
        reason = f"the record has {size} bytes (key, value and headers, not compressed), the maximum"
        raise EventError(
            DECODE, f"{reason} (worker.max_record_bytes) is {max_record_bytes}; shorten the product's texts"
        )
    return _Content(value, _content_type(headers) == _JSON)


def _content_type(headers: Headers) -> str:
    for name, value in headers:
        if name.lower() == "content-type" and value is not None:
            found = value.decode("latin-1").partition(";")[0].strip().lower()
            if found not in (_JSON, _PROTOBUF):
                raise EventError(DECODE, f"the header content-type must be {_JSON} or {_PROTOBUF}, not {quoted(value)}")
            return found
    return _JSON


def _read_protobuf(value: bytes) -> events_pb2.ProductEvent:
    try:
        return events_pb2.ProductEvent.FromString(value)
    except (DecodeError, UnicodeDecodeError):
        if (known := describe(value)) is not None:
            raise EventError(DECODE, known) from None
        reason = "the value is not a valid hangtag.v1.ProductEvent in binary protobuf, or a text in it is not UTF-8"
        raise EventError(DECODE, f"{reason}; for JSON, send the header content-type: {_JSON}") from None


def _check(message: events_pb2.ProductEvent, key: bytes | None, timestamp_ms: int) -> Event:
    product = message.product
    _check_id(product.product_id, key)
    kind = _KINDS.get(message.type)
    if kind is None:
        raise EventError(VALIDATE, type_reason(message.type))
    version = _version(product.version, _time(message), timestamp_ms)
    if kind is Kind.DELETED:
        return Event(message.event_id, kind, product.product_id, version, _NO_TEXTS, product.language)
    fields = CleanedFields.of(product.title, product.description, product.merchant_category)
    if fields.text.is_empty:
        reason = "title, description and merchant_category have no visible text (without markup)"
        raise EventError(VALIDATE, f"{reason}; send at least one of them")
    shop = checked_fields(product)
    return Event(message.event_id, kind, product.product_id, version, fields, product.language, shop)


def _check_id(text: str, key: bytes | None) -> None:
    product_id = text.encode()
    if not product_id.strip():
        raise EventError(VALIDATE, "product.product_id is missing or empty; send the shop's id of the product")
    if len(product_id) > MAX_ID_BYTES:
        reason = f"product.product_id has {len(product_id)} bytes, the maximum is {MAX_ID_BYTES}"
        raise EventError(VALIDATE, f"{reason}: {quoted(text)}")
    if key is not None and key != product_id:
        reason = f"the record's key {quoted(key)} differs from product.product_id {quoted(text)}"
        reason = f"{reason}; use the id as key, or no key"
        raise EventError(VALIDATE, f"{reason} (Kafka keeps the order of a product's events only by their key)")


def _time(message: events_pb2.ProductEvent) -> Timestamp | None:
    return message.time if message.HasField("time") else None


def _version(version: int, time: Timestamp | None, timestamp_ms: int) -> int:
    if version == 0:
        version = timestamp_ms if time is None else time.seconds * 1_000 + time.nanos // 1_000_000
    if not 0 <= version <= MAX_VERSION:
        reason = "product.version must be from 0 to 2^63-1; if it is 0, the event's time or the record's timestamp"
        raise EventError(VALIDATE, f"{reason} is used, and that must be after 1970; it is {quoted(version)}")
    return version
