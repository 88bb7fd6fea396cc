"""The tagger in use."""

from hangtag.tagger.tagger import Tagger


class TaggerInUse:
    """The one place that says which tagger is in use. It may be swapped at any time, by any thread.

    What is encoded from then on is tagged by the new one; what the old one encoded, the old one finishes.
    """

    def __init__(self, tagger: Tagger) -> None:
        self.current = tagger
