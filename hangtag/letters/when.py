"""Points in time as people write them."""

import re
from datetime import UTC, datetime

from hangtag.letters.errors import LetterError

_AGO = re.compile(r"([0-9]{1,9})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_time(text: str, now_ms: int) -> int:
    """Milliseconds since 1970 of an ISO time (UTC unless it names a zone), or of a duration before now such as 2h.

    Raises:
        LetterError: it is neither.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1_000
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        how = "write an ISO time such as 2026-11-24T09:30:00Z, or a duration such as 90m, 2h or 7d"
        msg = f"{text!r} is not a time; {how}"
        raise LetterError(msg) from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1_000)


def iso_time(at_ms: int) -> str:
    """The time as ISO text in UTC, to the second; empty for a time that is not known."""
    try:
        return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at_ms >= 0 else ""
    except (ValueError, OverflowError, OSError):
        return ""
