"""Labelled products as what the training loop eats: tokens, targets, and batches of like length."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.text.tokens import ProductTokenizer, Tokens, pad
from hangtag.trainer.data.labelled import LabelledProduct

# Batches are cut from pools of this many batches that are sorted by length: little padding, much randomness left.
_BATCHES_PER_POOL = 40


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens with `targets` (float32, 1 where a tag fits) and `known` (1 where it is known), both of shape (tags,).

    A single facet that is known and has no target is one whose tags all do not fit. `soft` (float16, same shape) is
    what teachers say, not-a-number where they say nothing.
    """

    tokens: Tokens
    targets: NDArray[np.float32]
    known: NDArray[np.float32]
    soft: NDArray[np.float16] | None = None


def examples_of(products: Sequence[LabelledProduct], schema: TagSchema, tokenizer: ProductTokenizer) -> list[Example]:
    """Tokenise products and lay out their labels. A tag that the schema lacks counts as not labelled."""
    tokens = tokenizer([product.text for product in products])
    return [
        Example(its_tokens, *_labels(product, schema)) for its_tokens, product in zip(tokens, products, strict=True)
    ]


def _labels(product: LabelledProduct, schema: TagSchema) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    targets = np.zeros(len(schema.tags), np.float32)
    known = np.zeros_like(targets)
    positions = [schema.index[tag] for tag in product.tags if tag in schema.index]
    targets[positions] = 1
    for facet in schema.facets:
        where = schema.slices[facet.name]
        if facet.name in product.facets and (facet.kind is FacetKind.MULTI or targets[where].sum() <= 1):
            known[where] = 1
    return targets, known


def batches(lengths: Sequence[int], size: int, rng: random.Random) -> list[list[int]]:
    """Every index once, in batches of like length, in random order."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = size * _BATCHES_PER_POOL
    result = []
    for start in range(0, len(order), pool):
        by_length = sorted(order[start : start + pool], key=lengths.__getitem__)
        result += [by_length[at : at + size] for at in range(0, len(by_length), size)]
    rng.shuffle(result)
    return result


def in_order_of_length(examples: Sequence[Example], size: int) -> Iterator[list[int]]:
    """Every index once, shortest first, in batches: the cheapest way through a set that is only scored."""
    by_length = sorted(range(len(examples)), key=lambda index: len(examples[index].tokens))
    for start in range(0, len(by_length), size):
        yield by_length[start : start + size]


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Tensors of a batch: ids, mask and segments (batch, longest), targets and known (batch, tags)."""
    ids, mask, segments = (torch.from_numpy(array).long() for array in pad([example.tokens for example in examples]))
    targets = torch.from_numpy(np.stack([example.targets for example in examples]))
    known = torch.from_numpy(np.stack([example.known for example in examples]))
    return ids, mask, segments, targets, known


def collate_soft(examples: Sequence[Example]) -> Tensor | None:
    """What teachers say of a batch, shape (batch, tags), not-a-number where nothing; None if it is nothing at all."""
    if all(example.soft is None for example in examples):
        return None
    nothing = np.full(len(examples[0].targets), np.nan, np.float32)
    return torch.from_numpy(np.stack([nothing if each.soft is None else each.soft for each in examples]).astype("f4"))
