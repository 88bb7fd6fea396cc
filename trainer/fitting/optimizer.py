"""The optimizer and its learning rate schedule."""

import re
from collections.abc import Callable

import torch
from torch import nn

from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.recipe.recipe import Recipe

_LAYER = re.compile(r"\bencoder\.layer\.(\d+)\.")


def make_optimizer(model: TagModel, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the trainable parameters, without weight decay on biases and norms.

    With `layer_decay` d, the learning rate of layer l of L is multiplied by d^(L - 1 - l), and that of the embeddings
    by d^L (Howard and Ruder 2018, section 3.2).
    """
    layers = model.encoder.config.num_hidden_layers
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((_rate(name, layers, recipe), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "weight_decay": recipe.weight_decay if decays else 0.0}
            for (rate, decays), parameters in groups.items()
        ],
        fused=True,
    )


def warmup_then_linear(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """The factor on the learning rate, as a function of the step (from 0) in a run of `steps` steps."""
    warmup = max(1, int(steps * recipe.warmup))

    def factor(step: int) -> float:
        return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))

    return factor


def _rate(name: str, layers: int, recipe: Recipe) -> float:
    if name.startswith("head."):
        return recipe.head_learning_rate
    found = _LAYER.search(name)
    depth = layers - 1 - int(found[1]) if found else layers if "embeddings." in name else 0
    return float(recipe.learning_rate * recipe.layer_decay**depth)
