"""Product texts to token ids, with the tokenizer of a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.wide import Features, Wide

TokenIds = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One tokenised text: `ids` and `segments` (0 or 1, the segment of each token), int32 of shape (length,).

    `features` are the n-grams of the complete, not truncated text; None if the model has no wide part.
    `named` are the tags that the text has a word for, by the kind that the text may be; empty until a tagger adds them.
    """

    ids: TokenIds
    segments: TokenIds
    features: Features | None = None
    named: Mapping[TextKind, frozenset[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Length in tokens, special tokens included."""
        return len(self.ids)


class ProductTokenizer:
    """Tokenises product texts, truncated to `max_tokens`. Threads may share it.

    The longer segment is truncated first, at its end. With `tail_tokens` the middle of a longer text is left out
    instead, and that many of its last tokens are kept.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, wide: Wide | None = None, tail_tokens: int = 0) -> None:
        tokenizer.no_padding()
        if tail_tokens:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        self._tokenizer = tokenizer
        self._wide = wide
        self.max_tokens = max_tokens
        self.tail_tokens = tail_tokens

    def __call__(self, texts: Sequence[ProductText]) -> list[Tokens]:
        """Tokenise all texts in one call; the order is kept."""
        pairs = [(text.first, text.second) if text.second else text.first for text in texts]
        encodings = self._tokenizer.encode_batch_fast(pairs)
        features = [None if self._wide is None else self._wide.features(text) for text in texts]
        return [
            Tokens(self._truncated(encoding.ids), self._truncated(encoding.type_ids), its_features)
            for encoding, its_features in zip(encodings, features, strict=True)
        ]

    def _truncated(self, values: Sequence[int]) -> TokenIds:
        if len(values) > self.max_tokens:
            values = [*values[: self.max_tokens - self.tail_tokens], *values[-self.tail_tokens :]]
        return np.asarray(values, np.int32)

    def to_json(self) -> str:
        """The content of a `tokenizer.json`."""
        return self._tokenizer.to_str()


def pad(batch: Sequence[Tokens], pad_to: int | None = None) -> tuple[TokenIds, TokenIds, TokenIds]:
    """Arrange tokens in three int32 arrays of shape (count, `pad_to` or the longest): ids, attention mask, segments."""
    longest = pad_to or max(len(tokens) for tokens in batch)
    ids = np.zeros((len(batch), longest), np.int32)
    mask = np.zeros_like(ids)
    segments = np.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens.ids
        mask[row, : len(tokens)] = 1
        segments[row, : len(tokens)] = tokens.segments
    return ids, mask, segments
