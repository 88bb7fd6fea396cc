"""The order of the texts in pre-training, and the masks of their tokens."""

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
    """The batches of all epochs, in the order of training, each of texts of similar length.

    They are planned in advance because a sampler that draws during training would draw other batches after a resume,
    and a loader would fill an epoch's last batch from the next epoch.
    """
    rng = random.Random(settings.seed)
    lengths = [len(each["input_ids"]) for each in tokens]
    return [
        [tokens[at] | {"epoch": epoch} for at in batch]
        for epoch in range(settings.epochs)
        for batch in batches(lengths, settings.batch_size, rng)
    ]


class Masker(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """Masks tokens at random, seeded only by the epoch and the batch, so that a resumed run has the same masks.

    The process's random state at a checkpoint could not restore them, because the loader is one batch ahead.
    """

    def batch(self, planned: Sequence[Sequence[dict[str, Any]]]) -> Any:
        """Mask planned batches, for a loader whose items are batches."""
        return self([each for batch in planned for each in batch])

    def torch_call(self, examples: Any) -> Any:
        """Collate a batch into tensors and mask it."""
        tokens = [{name: each[name] for name in ("input_ids", "token_type_ids")} for each in examples]
        seen = [examples[0].get("epoch", 0), *(token for each in tokens for token in each["input_ids"])]
        self.generator = torch.Generator().manual_seed(zlib.crc32(np.asarray(seen, np.int32).tobytes()))
        batch = super().torch_call(tokens)
        if not (batch["labels"] >= 0).any():
            # The mean loss over no token would be NaN: in a few short texts, one unmasked token is predicted instead.
            places = batch["attention_mask"].nonzero()
            at = tuple(places[torch.randint(len(places), (1,), generator=self.generator)[0]])
            batch["labels"][at] = batch["input_ids"][at]
        return batch
