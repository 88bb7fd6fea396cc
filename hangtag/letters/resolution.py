"""What became of a dead letter. Kafka deletes no single record, so this is a record of its own behind the letter."""

import sys
from collections.abc import Mapping
from typing import Literal, NamedTuple, Self

from hangtag.letters.errors import LetterError
from hangtag.letters.place import Place
from hangtag.records import Headers, Record

_WHAT = "hangtag.resolution"
_LETTER = "hangtag.letter"
_BY, _AT, _REASON = (f"hangtag.{name}" for name in ("resolved_by", "resolved_at", "resolution_reason"))

REPLAYED: Literal["replayed"] = "replayed"
DROPPED: Literal["dropped"] = "dropped"


class Resolution(NamedTuple):
    """A dead letter was handled: `what` is `replayed` or `dropped`. `at_ms` is in ms since 1970."""

    what: str
    letter: Place
    by: str
    at_ms: int
    reason: str

    @classmethod
    def of(cls, record: Record) -> Self | None:
        """The resolution that a record of the topic is.

        None: it does not name an earlier record of its own partition, and resolves nothing.
        """
        found = {name: (text or b"").decode("utf-8", "replace") for name, text in record.headers}
        topic, number = record.partition
        try:
            letter = Place.parse(found.get(_LETTER, ""), topic)
        except LetterError:
            return None
        if letter.partition != number or letter.offset >= record.offset or not found.get(_WHAT):
            return None
        at = found.get(_AT, "")
        at_ms = int(at) if at.isascii() and at.isdecimal() else -1
        # Many resolutions have the same words.
        words = (sys.intern(found.get(name, "")) for name in (_BY, _REASON))
        by, reason = words
        return cls(sys.intern(found[_WHAT]), letter, by, at_ms, reason)

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers of its record, as text."""
        values: Mapping[str, object] = {
            _WHAT: self.what,
            _LETTER: self.letter,
            _BY: self.by,
            _AT: self.at_ms,
            _REASON: self.reason,
        }
        return [(name, str(value).encode("utf-8", "replace")) for name, value in values.items()]


def is_resolution(headers: Headers) -> bool:
    """Whether a record of `products.deadletter` says what became of a letter, instead of being one."""
    return any(name == _WHAT for name, _ in headers)
