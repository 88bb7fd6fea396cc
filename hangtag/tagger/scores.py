"""What a tagger computes for texts before they are decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.engine.engine import Means, Vectors
from hangtag.tags.decoding import Logits, Named
from hangtag.text.origins import Origins
from hangtag.text.understood import Understood


@dataclass(frozen=True, slots=True)
class Scores:
    """The logits of texts, of shape (texts, tags), the tags of attribute facets that each text names, and what it says.

    `on_topic`, of shape (texts,), is the calibrated probability that a text is about a product at all; None if the
    bundle has no scope. `vectors` are those of each text's tokens, `origins` say where these are in the text, and
    `means`, of shape (texts, hidden), are the means of each text's vectors, where they were asked for.
    """

    logits: Logits
    named: Sequence[Named]
    on_topic: NDArray[np.float32] | None = None
    understood: Sequence[Understood] | None = None
    vectors: Sequence[Vectors] | None = None
    origins: Sequence[Origins | None] = ()
    means: Means | None = None

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.logits)
