"""Records with any key, headers, timestamp and value, and the dead letters that they become."""

from hangtag.records import (
    OWN_HEADERS,
    TRUNCATED,
    DeadLetter,
    EventError,
    Partition,
    Record,
    dead_letter_of,
    decode_event,
)
from tests.fuzz.contract import refused, require
from tests.fuzz.pieces import Pieces, optional, piece
from tests.fuzz.targets import events, messages

_MAX_HEADERS = 8


def _record(
    key: bytes | None, headers: list[tuple[bytes, bytes | None]], timestamp_ms: int, value: bytes | None
) -> bytes:
    parts = [optional(key), bytes([len(headers)])]
    parts += [piece(name) + optional(text) for name, text in headers]
    parts += [timestamp_ms.to_bytes(8, "big", signed=True), b"\x00" if value is None else b"\x01" + value]
    return b"".join(parts)


SEEDS = (
    _record(b"sku-1", [(b"content-type", b"application/json; charset=utf-8")], -1, events.SEEDS[0]),
    _record(b"sku-1", [(b"Content-Type", b"application/x-protobuf")], 2**62, messages.SEEDS[0]),
    _record(b"sku-2", [(b"", None), (b"\xff", b"\xff"), (b"trace", b"1")], 0, events.SEEDS[0]),
    _record(None, [(b"content-type", b"text/xml"), (b"content-type", None)], 1, b"<x/>"),
    _record(b"k" * 200, [(TRUNCATED.encode(), b"value"), (b"hangtag.offset", b"7")], 1, None),
    _record(b"", [(b"content-type", b"\x00" * 99)], -(2**63), b""),
)


def target(data: bytes) -> str:
    """Decode the record; its dead letter keeps all of it, and can be shortened until nothing may be left out."""
    pieces = Pieces(data)
    key = pieces.part_or_none()
    headers = tuple((pieces.text(), pieces.part_or_none()) for _ in range(pieces.number(1) % (_MAX_HEADERS + 1)))
    timestamp_ms = pieces.number(8, signed=True)
    value = pieces.rest() if pieces.number(1) else None
    record = Record(Partition("products.events", 0), 7, timestamp_ms, key, value, headers)
    try:
        return str(decode_event(value, key, headers, timestamp_ms, 1 << 20).kind)
    except EventError as error:
        outcome = refused(error, value or b"")
        _check_letter(record, str(error))
        return outcome


def _check_letter(record: Record, message: str) -> None:
    letter = dead_letter_of(
        record, group="g", stage="decode", error="EventError", message=message, attempts=1, bundle_version=""
    )
    theirs = [each for each in record.headers if not each[0].startswith(OWN_HEADERS)]
    require(letter.key == record.key, "the dead letter has another key")
    require((letter.value or b"") == (record.value or b""), "the dead letter has another value")
    require([each for each in letter.headers if not each[0].startswith(OWN_HEADERS)] == theirs, "headers are lost")
    while (shorter := letter.shortened()) is not None:
        before, after = _kept_of(letter), _kept_of(shorter)
        require(after != before, f"a dead letter of {before} is shortened without leaving anything out")
        require(any(name == TRUNCATED for name, _ in shorter.headers), "a truncated dead letter is not marked")
        letter = shorter


def _kept_of(letter: DeadLetter) -> tuple[int, int, int]:
    """What a dead letter keeps of the record: bytes of the value, headers, bytes of the key."""
    theirs = sum(not name.startswith(OWN_HEADERS) for name, _ in letter.headers)
    return len(letter.value or b""), theirs, len(letter.key or b"")
