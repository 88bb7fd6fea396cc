"""Splits the bytes of an input into the parts of a record: key, headers, numbers, value."""


class Pieces:
    """Takes one part after another from an input; at its end the parts are empty, so that every input is a record."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def part(self) -> bytes:
        """A part with its length in one byte before it."""
        length = self.number(1)
        return self._take(length)

    def part_or_none(self) -> bytes | None:
        """Such a part, or none."""
        return self.part() if self.number(1) % 4 else None

    def text(self) -> str:
        """Such a part as text; what is not UTF-8 becomes U+FFFD, as in Kafka's clients."""
        return self.part().decode("utf-8", "replace")

    def number(self, size: int, *, signed: bool = False) -> int:
        """A number of this many bytes."""
        return int.from_bytes(self._take(size), "big", signed=signed)

    def rest(self) -> bytes:
        """All that is left."""
        return self._take(len(self._data))

    def _take(self, length: int) -> bytes:
        found = self._data[self._at : self._at + length]
        self._at += len(found)
        return found


def piece(data: bytes) -> bytes:
    """A part as `Pieces.part` reads it."""
    return bytes([len(data)]) + data


def optional(data: bytes | None) -> bytes:
    """A part as `Pieces.part_or_none` reads it."""
    return b"\x00" if data is None else b"\x01" + piece(data)
