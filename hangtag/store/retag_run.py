"""A re-tag as the store knows it: the hash `ht:retag`."""

from dataclasses import dataclass, field
from typing import Any, Self

import orjson

RUN_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class RetagRun:
    """What a re-tag does and how far it has come.

    Attributes:
        run_id: random, 16 hex digits; it is kept beside the tags that the re-tag replaced.
        made_of: what must be the same for the re-tag to go on: its source and its options.
        bundle_version: of the bundle that it tags with.
        sequence: that of its release.
        began_ms: when it began, in ms since 1970.
        is_done: it has read its source to the end.
        positions: the next offset of each partition that it reads, or the next row of a file (as `0`).
        counts: what became of the texts so far.
    """

    run_id: str
    made_of: dict[str, Any]
    bundle_version: str
    sequence: int
    began_ms: int
    is_done: bool = False
    positions: dict[int, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def pack(self) -> bytes:
        """The run as the value of a field."""
        return orjson.dumps(
            {
                "run_id": self.run_id,
                "made_of": self.made_of,
                "bundle_version": self.bundle_version,
                "sequence": self.sequence,
                "began_ms": self.began_ms,
                "is_done": self.is_done,
                "positions": {str(number): offset for number, offset in self.positions.items()},
                "counts": self.counts,
            }
        )

    @classmethod
    def unpack(cls, value: bytes | None) -> Self | None:
        """The run in a field; None if there is none, or no program of this release wrote it."""
        if value is None:
            return None
        try:
            found: Any = orjson.loads(value)
            found["positions"] = {int(number): int(offset) for number, offset in found["positions"].items()}
            return cls(**found)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
