"""A decision about the bundle in use, and the record of `hangtag.models` that holds it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

import orjson

from hangtag.models.errors import ModelsTopicError
from hangtag.settings import ROUTE

_FORMAT: Final = 1
_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
HEADERS: Final = (("content-type", b"application/json"),)


class Kind(StrEnum):
    """What is decided."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    BLOCK = "block"
    UNBLOCK = "unblock"


@dataclass(frozen=True, slots=True)
class Decision:
    """That a bundle is in use from now on, with these tags blocked.

    Attributes:
        decision_id: 32 hexadecimal digits, no two decisions have the same.
        route: for which part of the products.
        kind: what is decided.
        expects: the route's sequence on which it was decided, 0 for the first decision. It is void if another decision
            comes first.
        bundle_version, integrity: of the bundle, 64 hexadecimal digits each.
        blocked: all tags that are blocked from now on, sorted.
        actor: who decided, a pseudonym.
        reason: why.
        at_ms: when, in ms since 1970 by the clock of whoever decided.
    """

    decision_id: str
    route: str
    kind: Kind
    expects: int
    bundle_version: str
    integrity: str
    blocked: tuple[str, ...]
    actor: str
    reason: str
    at_ms: int

    @property
    def key(self) -> bytes:
        """The key of the record: its own, so that compaction keeps every decision."""
        return f"{self.route}/{self.decision_id}".encode()

    def to_bytes(self) -> bytes:
        """The value of the record."""
        return orjson.dumps({"format": _FORMAT, **{name: getattr(self, name) for name in self.__slots__}})

    @classmethod
    def of(cls, value: bytes | None) -> Self | None:
        """The decision that a record's value says; None: it says none, for every reader.

        Raises:
            ModelsTopicError: it is of a newer release, which may understand it as another decision.
        """
        try:
            found: Any = orjson.loads(value or b"")
            found_format = found["format"]
            if isinstance(found_format, int) and found_format > _FORMAT:
                msg = (
                    f"hangtag.models has a decision of format {found_format}, this hangtag reads format {_FORMAT}; "
                    "upgrade hangtag"
                )
                raise ModelsTopicError(msg)
            decision = cls(
                decision_id=_text(found["decision_id"], _ID),
                route=_text(found["route"], re.compile(ROUTE)),
                kind=Kind(found["kind"]),
                expects=_number(found["expects"]),
                bundle_version=_text(found["bundle_version"], _HASH),
                integrity=_text(found["integrity"], _HASH),
                blocked=tuple(sorted({str(tag) for tag in found["blocked"]})),
                actor=str(found["actor"]),
                reason=str(found["reason"]),
                at_ms=_number(found["at_ms"]),
            )
        except (ValueError, TypeError, KeyError):
            return None
        return decision if found_format == _FORMAT else None


def _text(found: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(found, str) or not pattern.fullmatch(found):
        raise ValueError
    return found


def _number(found: Any) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError
    return found
