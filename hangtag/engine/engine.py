"""The interface of engines."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hangtag.engine.cost import CostModel
from hangtag.text.tokens import Tokens

Logits = NDArray[np.float32]
# What the CPU engine computes with beside int8: float32, or bfloat16 where the CPU has it.
Precision = Literal["exact", "fast"]
# The encoder's last output for each token of a text, float32 (tokens, hidden).
Vectors = NDArray[np.float32]
# The mean of the vectors of each text's tokens, which the head is applied to: float32 (texts, hidden).
Means = NDArray[np.float32]


class Engine(Protocol):
    """Runs a bundle's encoder and head on a device."""

    @property
    def name(self) -> str:
        """The engine and its device, for logs and metrics."""
        ...

    @property
    def cost(self) -> CostModel:
        """How many tokens a batch costs; `forward` computes exactly that many."""
        ...

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        """Raw logits of shape (count, tags), rows in the batch's order, columns in the schema's.

        With a bundle that has a scope, its score is a last column. A text's row depends on the text alone. Threads may
        call at the same time. An empty batch gives no rows.

        Raises:
            OutOfMemory: the batch does not fit into the device's memory; a smaller one may.
            DeviceError: the device or its runtime failed, on texts that are in order.
            EngineError: a text is empty, longer than the encoder's positions or has an unknown token, or the engine
                is closed.
        """
        ...

    def forward_with_vectors(self, batch: Sequence[Tokens]) -> tuple[Logits, list[Vectors]]:
        """As `forward`, with the vectors of each text's tokens; the logits are the same, to the bit.

        Raises:
            EngineError: likewise, or the engine was opened without vectors.
        """
        ...

    def forward_with_means(self, batch: Sequence[Tokens]) -> tuple[Logits, Means]:
        """As `forward`, with the mean of each text's vectors; the logits are the same, to the bit.

        Raises:
            EngineError: likewise.
        """
        ...

    def close(self) -> None:
        """Free the device's memory. A second call does nothing."""
        ...
