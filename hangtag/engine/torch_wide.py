"""The wide part of a model in torch: the scores of many texts at once, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hangtag.engine.errors import EngineError
from hangtag.engine.wide_scores import known_features
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Wide


@dataclass(frozen=True, slots=True)
class PackedNgrams:
    """The n-grams of texts one after the other: `rows` int32, `values` float32, `counts` int32 for each text.

    `entries` is the number of weights that they have together.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.float32]
    counts: NDArray[np.int32]
    entries: int


class TorchWide(nn.Module):
    """Weights from n-grams to tags, as in `Wide`, on a device."""

    def __init__(self, wide: Wide) -> None:
        super().__init__()
        self._counts = wide.counts.astype(np.int64)
        self._count = nn.Buffer(torch.from_numpy(self._counts))
        self._start = nn.Buffer(torch.from_numpy(np.cumsum(self._counts) - self._counts))
        self._scale = nn.Buffer(torch.from_numpy(wide.scale.astype(np.float32)))
        self._tag = nn.Buffer(torch.from_numpy(wide.tags.astype(np.int32)))
        self._value = nn.Buffer(torch.from_numpy(wide.values))

    def pack(self, batch: Sequence[Tokens]) -> PackedNgrams:
        """The n-grams of texts.

        Raises:
            EngineError: a text was not tokenised with the bundle's own tokenizer.
        """
        features = known_features(batch)
        rows = np.concatenate([each.rows for each in features])
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(self._counts):
            # A device that looks up what is not there cannot be used any more.
            msg = "a text of the batch has n-grams of another bundle; use the bundle's own tokenizer"
            raise EngineError(msg)
        values = np.concatenate([each.values for each in features])
        counts = np.array([len(each.rows) for each in features], np.int32)
        return PackedNgrams(rows, values, counts, int(self._counts[rows].sum()))

    def forward(self, rows: Tensor, values: Tensor, counts: Tensor, entries: int, tags: int) -> Tensor:
        """What the n-grams add to the logits of their texts: float32 (texts, tags)."""
        texts = len(counts)
        text = torch.repeat_interleave(counts.long(), output_size=len(rows))
        lengths = self._count[rows]
        # The n-gram of each weight, then the place of the weight.
        ngram = torch.repeat_interleave(lengths, output_size=entries)
        shift = self._start[rows] - (lengths.cumsum(0) - lengths)
        place = torch.arange(entries, device=rows.device) + shift[ngram]
        scores = self._value[place] * (values * self._scale[rows])[ngram]
        cell = text[ngram] * tags + self._tag[place]
        return scores.new_zeros(texts * tags).index_add_(0, cell, scores).view(texts, tags)
