"""Labelled products as training examples: tokens, targets, and batches of similar length."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.text.tokens import ProductTokenizer, Tokens, pad
from hangtag.trainer.data.labelled import LabelledProduct

# Batches are formed within pools of this many batches, sorted by length: little padding, but still random.
_BATCHES_PER_POOL = 40


@dataclass(frozen=True, slots=True)
class Example:
    """A tokenised product and its labels.

    `targets` is 1 where a tag fits, `known` is 1 where that is known; both float32 of shape (tags,). A known single
    facet without a target means that none of its tags fits. `soft` holds the teachers' probabilities, float16 of shape
    (tags,), NaN where there is none. `on_topic` is False for a text that is about no product at all.
    """

    tokens: Tokens
    targets: NDArray[np.float32]
    known: NDArray[np.float32]
    soft: NDArray[np.float16] | None = None
    on_topic: bool = True


def examples_of(
    products: Sequence[LabelledProduct], schema: TagSchema, tokenizer: ProductTokenizer, *, on_topic: bool = True
) -> list[Example]:
    """Tokenise products and encode their labels. A tag that is not in the schema counts as not labelled."""
    return tokenised_examples(products, tokenizer([product.text for product in products]), schema, on_topic=on_topic)


def tokenised_examples(
    products: Sequence[LabelledProduct], tokens: Iterable[Tokens], schema: TagSchema, *, on_topic: bool = True
) -> list[Example]:
    """Encode the labels of products, whose texts have these tokens."""
    return [
        Example(its_tokens, *_labels(product, schema), on_topic=on_topic)
        for its_tokens, product in zip(tokens, products, strict=True)
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
    """Every index once, in batches of similar length, in random order."""
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
    """Every index once, in batches, shortest texts first: little padding, for sets that are only scored."""
    by_length = sorted(range(len(examples)), key=lambda index: len(examples[index].tokens))
    for start in range(0, len(by_length), size):
        yield by_length[start : start + size]


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Stack examples into tensors: ids, mask and segments (batch, longest), targets and known (batch, tags)."""
    ids, mask, segments = (torch.from_numpy(array).long() for array in pad([example.tokens for example in examples]))
    targets = torch.from_numpy(np.stack([example.targets for example in examples]))
    known = torch.from_numpy(np.stack([example.known for example in examples]))
    return ids, mask, segments, targets, known


def collate_topics(examples: Sequence[Example]) -> Tensor:
    """1 for each text that is about a product, else 0; float32 of shape (batch,)."""
    return torch.tensor([float(example.on_topic) for example in examples])


def collate_soft(examples: Sequence[Example]) -> Tensor | None:
    """Stack soft targets into a tensor (batch, tags), NaN where there is none; None if no example has any."""
    if all(example.soft is None for example in examples):
        return None
    none = np.full(len(examples[0].targets), np.nan, np.float32)
    return torch.from_numpy(np.stack([none if each.soft is None else each.soft for each in examples]).astype("f4"))
