"""Predictions of a torch model."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hangtag.trainer.data.examples import Example, collate, in_order_of_length
from hangtag.trainer.recipe.recipe import Recipe


def predict(model: nn.Module, examples: Sequence[Example], recipe: Recipe) -> NDArray[np.float32]:
    """The tags' logits, of shape (examples, tags), in the examples' order."""
    device, tags = next(model.parameters()).device, len(examples[0].targets)
    logits = np.empty((len(examples), tags), np.float32)
    model.eval()
    with torch.inference_mode():
        for batch in in_order_of_length(examples, recipe.batch_size * 2):
            ids, mask, segments, *_ = collate([examples[index] for index in batch])
            with autocast(device, recipe):
                found = model(ids.to(device), mask.to(device), segments.to(device))
            logits[batch] = found[:, :tags].float().cpu().numpy()
    return logits


def autocast(device: torch.device, recipe: Recipe) -> torch.autocast:
    """A context that runs matrix products in the recipe's precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
