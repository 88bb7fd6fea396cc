"""Texts in the order in which they are read, and which of their tokens are masked."""

import random
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling

from hangtag.trainer.data.examples import batches
from hangtag.trainer.pretraining.settings import PretrainingSettings


def epochs_of(tokens: Sequence[dict[str, Any]], settings: PretrainingSettings) -> list[list[dict[str, Any]]]:
    """Every epoch's batches one after the other, each of texts of like length, in the order in which they are read.

    A sampler that draws while it reads would draw anew where a killed one goes on, and a loader that cuts batches by
    count would make each of two where an epoch's last one is not full.
    """
    rng = random.Random(settings.seed)
    lengths = [len(each["input_ids"]) for each in tokens]
    return [
        [tokens[at] | {"epoch": epoch} for at in batch]
        for epoch in range(settings.epochs)
        for batch in batches(lengths, settings.batch_size, rng)
    ]


class Masker(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """Masks that hang on the epoch and the batch alone: one that goes on masks what an unbroken one would.

    The loader is a batch ahead of the steps, so the process's random state at a checkpoint cannot tell them.
    """

    def batch(self, planned: Sequence[Sequence[dict[str, Any]]]) -> Any:
        """The same of batches as they are planned, for a loader to which each is one item."""
        return self([each for batch in planned for each in batch])

    def torch_call(self, examples: Any) -> Any:
        """A batch of tensors, masked."""
        tokens = [{name: each[name] for name in ("input_ids", "token_type_ids")} for each in examples]
        seen = [examples[0].get("epoch", 0), *(token for each in tokens for token in each["input_ids"])]
        self.generator = torch.Generator().manual_seed(zlib.crc32(np.asarray(seen, np.int32).tobytes()))
        batch = super().torch_call(tokens)
        if not (batch["labels"] >= 0).any():
            # The mean over no token is no number: of a few short texts one token is guessed as it stands.
            places = batch["attention_mask"].nonzero()
            at = tuple(places[torch.randint(len(places), (1,), generator=self.generator)[0]])
            batch["labels"][at] = batch["input_ids"][at]
        return batch
