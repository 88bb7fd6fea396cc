"""A head that starts from the names of the tags, so that what the base model knows about words is not forgotten."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the field's own abbreviation)

from hangtag.tags.schema import TagSchema
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer, pad
from hangtag.trainer.fitting.model import TagModel

# A tag with more names gets no better row from them.
_MOST_NAMES = 20
_BATCH = 256


def start_from_names(
    model: TagModel, names: Mapping[str, Sequence[str]], schema: TagSchema, tokenizer: ProductTokenizer, length: float
) -> None:
    """Set the head's row of each tag that has names to the direction of their vectors, with this length, in place.

    A name's vector is the model's mean over its tokens. A tag without names keeps its row.
    """
    named = [(tag, tuple(names[tag])[:_MOST_NAMES]) for tag in schema.tags if names.get(tag)]
    vectors = _vectors(model, [name for _, its_names in named for name in its_names], tokenizer)
    start = 0
    with torch.no_grad():
        for tag, its_names in named:
            mean = vectors[start : start + len(its_names)].mean(0)
            model.head.weight[schema.index[tag]] = length * F.normalize(mean, dim=0)
            start += len(its_names)


def _vectors(model: TagModel, names: Sequence[str], tokenizer: ProductTokenizer) -> Tensor:
    """The unit vectors of names, of shape (names, hidden)."""
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(names), _BATCH):
            tokens = tokenizer([ProductText.of(name) for name in names[start : start + _BATCH]])
            parts.append(F.normalize(model.pooled(*(torch.from_numpy(each).long().to(device) for each in pad(tokens)))))
    model.train(was_training)
    return torch.cat(parts).clone()
