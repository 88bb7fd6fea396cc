"""Product texts to token ids, by the tokenizer that the bundle carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hangtag.product_text import ProductText
from hangtag.wide import Features, Wide

TokenIds = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One tokenised text: `ids` and `segments` (0 or 1: which of the two texts), int32 of shape (length,).

    `features` are what a wide part sees of the whole text, cut or not; None where the model has none.
    """

    ids: TokenIds
    segments: TokenIds
    features: Features | None = None

    def __len__(self) -> int:
        """Length in tokens, special tokens included."""
        return len(self.ids)


class ProductTokenizer:
    """Tokenises product texts, cut to `max_tokens` (the longer segment is cut first). Safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, wide: Wide | None = None) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        self._tokenizer = tokenizer
        self._wide = wide
        self.max_tokens = max_tokens

    @classmethod
    def from_file(cls, path: Path, max_tokens: int) -> Self:
        """Load a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)), max_tokens)

    def __call__(self, texts: Sequence[ProductText]) -> list[Tokens]:
        """Tokenise all texts in one call; the order is kept."""
        pairs = [(text.first, text.second) if text.second else text.first for text in texts]
        encodings = self._tokenizer.encode_batch_fast(pairs)
        features = [None if self._wide is None else self._wide.features(text) for text in texts]
        return [
            Tokens(np.asarray(encoding.ids, np.int32), np.asarray(encoding.type_ids, np.int32), its_features)
            for encoding, its_features in zip(encodings, features, strict=True)
        ]

    def to_json(self) -> str:
        """The tokenizer as the text of a `tokenizer.json`."""
        return self._tokenizer.to_str()


def pad(batch: Sequence[Tokens], pad_to: int | None = None) -> tuple[TokenIds, TokenIds, TokenIds]:
    """Lay tokens out as three int32 arrays of shape (count, longest): ids, attention mask, segments."""
    longest = pad_to or max(len(tokens) for tokens in batch)
    ids = np.zeros((len(batch), longest), np.int32)
    mask = np.zeros_like(ids)
    segments = np.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens.ids
        mask[row, : len(tokens)] = 1
        segments[row, : len(tokens)] = tokens.segments
    return ids, mask, segments
