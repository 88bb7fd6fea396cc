"""Texts in the order in which they are read, and which of their tokens are masked."""

import random
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling

from trainer.data.examples import batches
from trainer.pretraining.settings import PretrainingSettings


def epochs_of(tokens: Sequence[dict[str, Any]], settings: PretrainingSettings) -> list[dict[str, Any]]:
    """Every epoch's texts one after the other, in batches of like length, in the order in which they are read.

    A sampler that draws while it reads would draw anew where a killed one goes on.
    """
    rng = random.Random(settings.seed)
    lengths = [len(each["input_ids"]) for each in tokens]
    return [
        tokens[at] | {"epoch": epoch}
        for epoch in range(settings.epochs)
        for batch in _whole_first(batches(lengths, settings.batch_size, rng), settings.batch_size)
        for at in batch
    ]


def _whole_first(plan: list[list[int]], size: int) -> list[list[int]]:
    # The loader cuts batches by count: those that are not full may only stand at the end.
    return sorted(plan, key=lambda batch: len(batch) < size)


class Masker(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """Masks that hang on the epoch and the batch alone: one that goes on masks what an unbroken one would.

    The loader is a batch ahead of the steps, so the process's random state at a checkpoint cannot tell them.
    """

    def torch_call(self, examples: Any) -> Any:
        """A batch of tensors, masked."""
        tokens = [{name: each[name] for name in ("input_ids", "token_type_ids")} for each in examples]
        seen = [examples[0].get("epoch", 0), *(token for each in tokens for token in each["input_ids"])]
        self.generator = torch.Generator().manual_seed(zlib.crc32(np.asarray(seen, np.int32).tobytes()))
        return super().torch_call(tokens)
