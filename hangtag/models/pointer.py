"""The pointer: which bundle is in use, and its place in the order of releases."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import orjson

from hangtag.models.errors import ModelsError
from hangtag.settings import ROUTE

_FORMAT: Final = 1
_ROUTE, _HASH = re.compile(ROUTE), re.compile(r"[0-9a-f]{64}")
# Of a format that is not known.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which bundle is in use on a route. Immutable.

    Attributes:
        route: the route's name.
        sequence: the decision's place in the order of releases: the offset of its record in `hangtag.models`, plus 1.
        bundle_version: of the bundle, 64 hexadecimal digits.
        integrity: hash of the bundle's complete manifest, 64 hexadecimal digits.
        blocked: tags that are neither stored nor served, `facet:value`, sorted; those of the bundle's schema included.
        blocked_sequence: the sequence at which `blocked` last changed; values of earlier sequences may hold such tags.
        at_ms: when it was decided, in ms since 1970. It never falls with the sequence, whatever clocks say.
    """

    route: str
    sequence: int
    bundle_version: str
    integrity: str
    blocked: tuple[str, ...]
    blocked_sequence: int
    at_ms: int

    def to_json(self) -> str:
        """As JSON, in one line."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def of(cls, text: str | bytes) -> Self:
        """The pointer that this JSON says.

        Raises:
            ModelsError: it says none, or is of a newer release.
        """
        try:
            found = orjson.loads(text)
            if found.get("format") != _FORMAT:
                shown = str(found.get("format"))[:_SHOWN]
                msg = f"a pointer of format {shown}, this hangtag reads format {_FORMAT}; upgrade hangtag"
                raise ModelsError(msg)
            return cls(
                route=_text(found["route"], _ROUTE),
                sequence=int(found["sequence"]),
                bundle_version=_text(found["bundle_version"], _HASH),
                integrity=_text(found["integrity"], _HASH),
                blocked=tuple(map(str, found["blocked"])),
                blocked_sequence=int(found["blocked_sequence"]),
                at_ms=int(found["at_ms"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = "not a pointer"
            raise ModelsError(msg) from error


def _text(found: Any, pattern: re.Pattern[str]) -> str:
    """It becomes a part of paths, so it has to be what it should be."""
    if not isinstance(found, str) or not pattern.fullmatch(found):
        raise ValueError
    return found
