"""What a record says that was sent again from `products.deadletter`: who sent it, when, and from where."""

import re
from typing import NamedTuple, Self

from hangtag.records.record import Headers

_BY, _AT, _FROM = (f"hangtag.replayed_{name}" for name in ("by", "at", "from"))
_TIMESTAMP = "hangtag.replayed_timestamp"
_TIMES = "hangtag.replays"
# They stay in the next dead letter of the record.
REPLAY_HEADERS = (_BY, _AT, _FROM, _TIMESTAMP, _TIMES)

_INTEGER = re.compile(r"-?[0-9]{1,19}")


class Replay(NamedTuple):
    """How often and by whom a record was sent again.

    `by` and `at_ms` are of the last time, `origin` is the place of the dead letter. `timestamp_ms` is when the record
    was first sent (-1: not known), `times` how often it was sent again.
    """

    by: str
    at_ms: int
    origin: str
    timestamp_ms: int
    times: int

    @classmethod
    def of(cls, headers: Headers) -> Self | None:
        """What a record's headers say; None: it was never sent again."""
        found = {name: (text or b"").decode("utf-8", "replace") for name, text in headers if name in REPLAY_HEADERS}
        numbers = [found.get(name, "") for name in (_AT, _TIMESTAMP, _TIMES)]
        if not all(map(_INTEGER.fullmatch, numbers)):
            return None
        at_ms, timestamp_ms, times = map(int, numbers)
        return cls(found.get(_BY, ""), at_ms, found.get(_FROM, ""), timestamp_ms, times)

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers that say it, as text."""
        values = (self.by, self.at_ms, self.origin, self.timestamp_ms, self.times)
        return [
            (name, str(value).encode("utf-8", "replace")) for name, value in zip(REPLAY_HEADERS, values, strict=True)
        ]


def first_sent_ms(headers: Headers, timestamp_ms: int) -> int:
    """When a record was first sent, in ms since 1970: its own timestamp, unless it was sent again."""
    replay = Replay.of(headers)
    return timestamp_ms if replay is None else replay.timestamp_ms
