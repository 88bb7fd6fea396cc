"""What a tagger computes for texts before they are decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.tags.decoding import Logits, Named


@dataclass(frozen=True, slots=True)
class Scores:
    """The logits of texts, of shape (texts, tags), and the tags of attribute facets that each text names."""

    logits: Logits
    named: Sequence[Named]

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.logits)
