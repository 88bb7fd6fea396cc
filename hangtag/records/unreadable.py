"""What a value that is neither JSON nor a `ProductEvent` looks like, so that its sender can be corrected."""

import re

_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")
_GZIP = b"\x1f\x8b"
# Confluent's serializers put a zero byte and the schema's id before the value.
_FRAME_BYTES = 5
# A surrogate in UTF-8: no text may hold one.
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ESCAPE_BYTES = len(rb"\ud83d")


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
    return next((_half(escape, place) for place, escape in _lone_escapes(value)), None)


def _lone_escapes(value: bytes) -> list[tuple[int, str]]:
    """Escaped halves that are not a high one followed by a low one."""
    halves = [(found.start(), found[0].decode()) for found in _ESCAPE.finditer(value) if _is_escape(value, found)]
    lone = []
    at = 0
    while at < len(halves):
        place, escape = halves[at]
        if _is_high(escape) and at + 1 < len(halves):
            next_place, following = halves[at + 1]
            if next_place == place + _ESCAPE_BYTES and not _is_high(following):
                at += 2
                continue
        lone.append((place, escape))
        at += 1
    return lone


def _is_escape(value: bytes, found: "re.Match[bytes]") -> bool:
    """False after an odd number of backslashes: then the backslash itself is escaped."""
    before = value[: found.start()]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 0


def _is_high(escape: str) -> bool:
    return escape[3] in "89abAB"


def _half(escape: str, place: int) -> str:
    return (
        f"half a surrogate pair ({escape.lower()}) stands alone at byte {place}: a text was cut within a character; "
        "cut texts between characters"
    )
