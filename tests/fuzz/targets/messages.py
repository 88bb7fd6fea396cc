"""Values of `products.events` in binary protobuf."""

from hangtag.records import EventError, decode_event, product_id_of
from hangtag.text.limits import MAX_ID_BYTES, MAX_VERSION
from hangtag.v1 import events_pb2
from tests.fuzz.contract import refused, require

MAX_BYTES = 1 << 20
_HEADERS = (("content-type", b"application/x-protobuf"),)


def _event(product_id: str, version: int, title: str, seconds: int = 0, nanos: int = 0) -> bytes:
    event = events_pb2.ProductEvent(event_id="e-1", type=events_pb2.EVENT_TYPE_CREATED)
    event.product.product_id, event.product.version, event.product.title = product_id, version, title
    if seconds or nanos:
        event.time.seconds, event.time.nanos = seconds, nanos
    return event.SerializeToString()


SEEDS = (
    _event("sku-1", 3, "Red wool scarf"),
    _event("sku-2", 2**63 - 1, "x"),
    _event("sku-3", -1, "x"),
    _event("sku-4", 0, "x", seconds=-1),
    _event("sku-5", 0, "x", seconds=2**63 - 1, nanos=-1),
    # A product twice, the second with another id and a string that is not UTF-8.
    _event("sku-6", 1, "x") + b"\x1a\x07\x0a\x05sku-7" + b"\x1a\x04\x1a\x02\xff\xfe",
    # Unknown fields: a group, a group that does not end, a packed list, a length of 2^63.
    _event("sku-8", 1, "x") + b"\xa3\x06\x08\x01\xa4\x06",
    _event("sku-9", 1, "x") + b"\xa3\x06" * 200,
    _event("sku-10", 1, "x") + b"\x12\x03\x01\x02\x03",
    _event("sku-11", 1, "x") + b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    # An enum value beyond int32, and a varint that never ends.
    _event("sku-12", 1, "x") + b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x10" + b"\xff" * 30,
)


def target(data: bytes) -> str:
    """Decode the value; whatever it is, an id can be looked for in it."""
    require(len(product_id_of(data, _HEADERS).encode()) <= MAX_ID_BYTES, "the id of a dead letter is too long")
    try:
        event = decode_event(data, None, _HEADERS, -1, MAX_BYTES)
    except EventError as error:
        return refused(error, data)
    require(0 <= event.version <= MAX_VERSION, f"version {event.version}")
    require(1 <= len(event.product_id.encode()) <= MAX_ID_BYTES, "the id is empty or too long")
    return str(event.kind)
