"""What a value that is neither JSON nor a `ProductEvent` looks like, so that its sender can be corrected."""

import re

_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")
_GZIP = b"\x1f\x8b"
# Confluent's serializers put a zero byte and the schema's id before the value.
_FRAME_BYTES = 5
# A surrogate in UTF-8: no text may hold one.
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_HEX = "[0-9a-fA-F]"
_HALF_ESCAPE = re.compile(rf"\\u[dD][89a-fA-F]{_HEX}{{2}}".encode())
# Everything up to the first escaped half that stands alone. It never goes back, so its time is linear.
_WHOLE = re.compile(
    rf"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F]{_HEX}{{2}})|\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})*+".encode(),
    re.DOTALL,
)


def describe(value: bytes) -> str | None:
    """What the value begins with and what to send instead; None if it looks like none of these."""
    if value.startswith(_MARK):
        return "the value begins with a byte order mark (the bytes EF BB BF); send JSON in UTF-8 without it"
    if value.startswith(_UTF16):
        return "the value is text in UTF-16; send JSON in UTF-8"
    if value.startswith(_GZIP):
        return "the value is compressed with gzip; send it as it is, and let the producer compress (compression.type)"
    if value.startswith(b"\x00") and len(value) >= _FRAME_BYTES:
        schema_id = int.from_bytes(value[1:_FRAME_BYTES])
        return (
            f"the value begins with the frame of a schema registry (a zero byte, then the schema id {schema_id}); "
            "send JSON or protobuf without it, by a serializer that does not use the registry"
        )
    return None


def half_a_pair(value: bytes) -> str | None:
    """Which half of a surrogate pair stands alone in a JSON value, escaped or as bytes; None if none does."""
    found = _SURROGATE.search(value)
    if found is not None:
        code = 0xD000 | (found[0][1] & 0x3F) << 6 | found[0][2] & 0x3F
        return _half(f"\\u{code:04x}", found.start())
    place = whole.end() if (whole := _WHOLE.match(value)) else 0
    escape = _HALF_ESCAPE.match(value, place)
    return None if escape is None else _half(escape[0].decode(), place)


def _half(escape: str, place: int) -> str:
    return (
        f"half a surrogate pair ({escape.lower()}) stands alone at byte {place}: a text was cut within a character; "
        "cut texts between characters"
    )
