"""The scope: whether a text is about a product at all."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hangtag.text.kind import TextKind

Floats = NDArray[np.float32]


class Scope(BaseModel):
    """A row of the head outside the schema: its score says whether a text is about a product.

    `weight` (hidden,) and `bias` are applied to the mean of a text's token vectors, as the tags' rows are. The score
    divided by `temperature` is the logit of the calibrated probability. `refused_below` is, for each kind of text, the
    probability below which a text counts as off topic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: tuple[float, ...] = Field(min_length=1)
    bias: float
    temperature: float = Field(default=1.0, gt=0)
    refused_below: Mapping[TextKind, float] = Field(default_factory=dict)

    def probabilities(self, scores: NDArray[Any]) -> Floats:
        """The calibrated probabilities that texts with these scores are about a product; both of shape (count,)."""
        logits = np.asarray(scores, np.float64) / self.temperature
        return np.exp(-np.logaddexp(0.0, -logits)).astype(np.float32)

    def is_off_topic(self, probability: float, kind: TextKind) -> bool:
        """Whether a text with this probability counts as off topic."""
        return probability < self.refused_below.get(kind, 0.0)
