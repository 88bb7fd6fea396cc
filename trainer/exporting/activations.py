"""Statistics of the inputs of a model's linear layers on sample texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hangtag.text.tokens import Tokens, pad
from hangtag.trainer.fitting.model import TagModel

_BATCH = 16
# Input rows kept per layer: enough to estimate the quantisation error, few enough to fit a deep model in memory.
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """Statistics of a linear layer's inputs x.

    `rows` are inputs of randomly drawn tokens, float32 (rows, in). Over all tokens: `moment` is the mean of x x^T,
    float64 (in, in); `low` and `high` are the extremes of each feature, float32 (in,).
    """

    rows: NDArray[np.float32]
    moment: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Input statistics of one encoder layer's linear layers.

    `hidden`: of query, key and value; `mixed`: of the attention output; `attended`: of the first feed-forward layer;
    `wide`: of the second one.
    """

    hidden: InputStatistics
    mixed: InputStatistics
    attended: InputStatistics
    wide: InputStatistics


def linear_inputs(model: TagModel, texts: Sequence[Tokens]) -> list[Inputs]:
    """Run texts through the model and collect its linear layers' inputs, without padding; one entry per layer."""
    layers: Any = model.encoder.encoder.layer
    order = sorted(texts, key=len)
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    share = min(1.0, _ROWS / sum(len(tokens) for tokens in order))
    parts = [
        (layer.attention.self.query, layer.attention.output.dense, layer.intermediate.dense, layer.output.dense)
        for layer in layers
    ]
    collectors = [[_Collector(module, share, seed) for seed, module in enumerate(modules)] for modules in parts]
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            for batch in batches:
                ids, mask, segments = (torch.from_numpy(array).long().to(device) for array in pad(batch))
                for collector in (one for its in collectors for one in its):
                    collector.mask = mask.bool()
                model(ids, mask, segments)
    finally:
        model.train(was_training)
        for collector in (one for its in collectors for one in its):
            collector.handle.remove()
    return [Inputs(*(collector.statistics() for collector in its)) for its in collectors]


class _Collector:
    """Collects the inputs of one module in a forward hook; set `mask` before each batch."""

    def __init__(self, module: nn.Module, share: float, seed: int) -> None:
        self.mask = torch.ones(0)
        self._share = share
        self._generator = torch.Generator().manual_seed(seed)
        self._rows: list[Tensor] = []
        self._moment: Tensor = torch.zeros(())
        self._count = 0
        self._low: Tensor | None = None
        self._high: Tensor | None = None
        self.handle = module.register_forward_pre_hook(self._take)

    def _take(self, _module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        rows = arguments[0][self.mask].float().cpu()
        low, high = rows.amin(0), rows.amax(0)
        self._low = low if self._low is None else torch.minimum(self._low, low)
        self._high = high if self._high is None else torch.maximum(self._high, high)
        self._moment = self._moment + (rows.T @ rows).double()
        self._count += len(rows)
        drawn = torch.rand(len(rows), generator=self._generator) <= self._share
        self._rows.append(rows[drawn])

    def statistics(self) -> InputStatistics:
        assert self._low is not None
        assert self._high is not None
        return InputStatistics(
            torch.cat(self._rows).numpy(), (self._moment / self._count).numpy(), self._low.numpy(), self._high.numpy()
        )
