"""What look-ups need to know of the bundle in use: whether stored tags are older than it, and what is blocked now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hangtag.records import unblocked
from hangtag.store import Stored
from hangtag.tags.schema import TagSchema
from hangtag.telemetry import metrics

if TYPE_CHECKING:
    from hangtag.models.pointer import Pointer


def _no_schema() -> TagSchema | None:
    return None


class PointerView:
    """The pointer as it was last heard of, whether this process could load its bundle or not. Any thread may call.

    `schema` is that of the bundle that this process uses: what depends on a blocked tag.
    """

    def __init__(self, schema: Callable[[], TagSchema | None] = _no_schema) -> None:
        self._schema = schema
        # Together, so that no look-up sees one without the other.
        self._known: tuple[Pointer, frozenset[str]] | None = None

    def take(self, pointer: Pointer) -> None:
        """Another pointer is in force."""
        self._known = pointer, frozenset(pointer.blocked)

    def newer_than(self, stored: Stored) -> str:
        """The version of the bundle in use, if these tags were made before it was put into use; else empty."""
        known = self._known
        return "" if known is None or stored.sequence >= known[0].sequence else known[0].bundle_version

    def served(self, stored: Stored) -> bytes:
        """The serialised `ProductTags` without blocked tags; as it is, if it was stored since these last changed."""
        known = self._known
        if known is None or stored.sequence >= known[0].blocked_sequence or not known[1]:
            return stored.payload
        metrics.FILTERED_LOOKUPS.inc()
        return unblocked(stored.payload, known[1], self._schema())


NOT_FOLLOWED = PointerView()
