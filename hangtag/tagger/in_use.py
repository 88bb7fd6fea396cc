"""The release in use."""

from hangtag.tagger.release import Release
from hangtag.tagger.tagger import Tagger


class TaggerInUse:
    """Holds the release that is in use as `current`. Any thread may replace it at any time.

    Texts that are encoded from then on are tagged by the new release; texts that the old one encoded, by the old one.
    So who works in several steps takes `current` once and passes it on.
    """

    def __init__(self, tagger: Tagger, sequence: int = 0) -> None:
        self.current = Release(tagger, sequence)
