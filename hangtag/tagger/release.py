"""A tagger and its place in the order of releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Importing it brings the engine's runtime; callers have a tagger already.
    from hangtag.tagger.tagger import Tagger
    from hangtag.tags.schema import TagSchema


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Release:
    """What tags texts: a tagger, and the entry of the order of releases that put it into use.

    `sequence` is written beside the tags: for the same version of a product a larger one replaces a smaller one. It is
    0 for a bundle that was not promoted, such as one given on the command line. `blocked_sequence` is that of the last
    change of blocked tags; tags of an earlier sequence may hold tags that are blocked now, or lack some.
    """

    tagger: Tagger
    sequence: int = 0
    blocked_sequence: int = 0

    @property
    def bundle_version(self) -> str:
        """Version (hex) of the bundle."""
        return self.tagger.bundle.version

    @property
    def schema(self) -> TagSchema:
        """The tag schema of the bundle, with the tags that are blocked."""
        return self.tagger.bundle.schema

    @property
    def answers(self) -> tuple[str, int]:
        """The same for releases that give the same text the same tags."""
        return self.bundle_version, self.blocked_sequence

    def gives_tags_of(self, sequence: int) -> bool:
        """True if tags that its bundle gave under this sequence are those that it gives now."""
        return self.blocked_sequence <= sequence <= self.sequence
