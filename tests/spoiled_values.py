"""Values of a product's key that have the length and the format of ours, and that no program of ours wrote."""

from hangtag.store import Entry
from hangtag.store.value import FORMAT, HEADER_BYTES, pack


def _spoiled(entry: Entry, at: int, value: int) -> bytes:
    data = bytearray(pack(entry))
    data[at] = value
    return bytes(data)


_TAGS = Entry("p", 3, b"x", b"12345678")

SPOILED = (
    *(_spoiled(_TAGS, at, 0x80) for at in (1, 10, 18)),
    _spoiled(_TAGS, 9, 1),
    _spoiled(_TAGS, 9, 7),
    _spoiled(Entry.deletion("p", 3), 9, 0),
    bytes([FORMAT]) + b"\xff" * HEADER_BYTES,
)
