"""What a tagger computes for texts before they are decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.engine.engine import Vectors
from hangtag.tags.decoding import Logits, Named
from hangtag.text.understood import Understood


@dataclass(frozen=True, slots=True)
class Scores:
    """The logits of texts, of shape (texts, tags), the tags of attribute facets that each text names, and what it says.

    `vectors` are those of each text's tokens, where they were asked for.
    """

    logits: Logits
    named: Sequence[Named]
    understood: Sequence[Understood] | None = None
    vectors: Sequence[Vectors] | None = None

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.logits)
