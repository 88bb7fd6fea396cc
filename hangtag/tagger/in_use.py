"""The tagger in use."""

from hangtag.tagger.tagger import Tagger


class TaggerInUse:
    """Holds the tagger that is in use as `current`. Any thread may replace it at any time.

    Texts that are encoded from then on are tagged by the new tagger; texts that the old one encoded, by the old one.
    """

    def __init__(self, tagger: Tagger) -> None:
        self.current = tagger
