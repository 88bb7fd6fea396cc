"""The release in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from hangtag.tagger.release import Release

if TYPE_CHECKING:
    # Importing it brings the engine's runtime; callers have a tagger already.
    from hangtag.tagger.tagger import Tagger


class TaggerInUse:
    """Holds the release that is in use as `current`. Any thread may replace it at any time.

    Texts that are encoded from then on are tagged by the new release; texts that the old one encoded, by the old one.
    So who works in several steps takes `current` once and passes it on.
    """

    def __init__(self, tagger: Tagger, sequence: int = 0) -> None:
        self.current = Release(tagger, sequence)

    @classmethod
    def of(cls, release: Release) -> Self:
        """With this release in use."""
        made = cls(release.tagger)
        made.current = release
        return made
