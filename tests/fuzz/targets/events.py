"""Values of `products.events` without headers or key: JSON."""

from hangtag.records import EventError, decode_event, decode_version, product_id_of
from hangtag.text.limits import MAX_ID_BYTES, MAX_VERSION
from tests.fuzz.contract import refused, require

MAX_BYTES = 1 << 20

SEEDS = (
    (
        b'{"event_id":"e-1","type":"UPDATED","time":"2026-11-24T09:30:00Z","product":{"product_id":"sku-1","version":3,'
        b'"title":"Red wool scarf","description":"<p>180&nbsp;cm</p>","merchant_category":"Scarves","language":"en"}}'
    ),
    b'{"product":{"productId":"sku-2","version":"9223372036854775807","title":"\\u00e9\\ud83d\\ude00"}}',
    b'{"type":"DELETED","product":{"product_id":"sku-3"}}',
    b'{"product":{"product_id":"sku-4","version":1e400,"title":"x"}}',
    b'{"product":{"product_id":"sku-5","version":-0,"version":NaN,"title":"x"}}',
    b'{"product":{"product_id":"sku-6","title":"\\ud83d"}}',
    b'{"product":{"product_id":true,"title":[["x"]]}}',
    b'{"time":"2026-01-31T12:00:00.123456789+99:99","product":{"product_id":"sku-7","title":"x"}}',
    b'{"type":2.0,"time":-1,"product":{"product_id":"sku-8","version":9223372036854775808}}',
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b"[" * 2_000,
    b'{"product":{"title":"' + b"\\ud83d\\ude00" * 20,
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"\x1f\x8b\x08",
    b"\x00\x00\x00\x00\x07{}",
)


def target(data: bytes) -> str:
    """Decode the value; whatever it is, an id can be looked for in it."""
    require(
        len(product_id_of(data, ()).encode()) <= MAX_ID_BYTES, "the id of a dead letter is longer than an id may be"
    )
    try:
        version = decode_version(data, None, (), 1_700_000_000_000, MAX_BYTES)
    except EventError as error:
        refused(error, data)
        version = None
    try:
        event = decode_event(data, None, (), 1_700_000_000_000, MAX_BYTES)
    except EventError as error:
        return refused(error, data)
    require(version == (event.product_id, event.version), f"{version} is marked for an event of {event.version}")
    require(0 <= event.version <= MAX_VERSION, f"version {event.version}")
    require(1 <= len(event.product_id.encode()) <= MAX_ID_BYTES, "the id is empty or too long")
    require(event.kind == "DELETED" or not event.text.is_empty, "an event without text is not a deletion")
    return str(event.kind)
