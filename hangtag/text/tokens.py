"""Product texts to token ids, with the tokenizer of a bundle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from hangtag.text.kind import TextKind
from hangtag.text.origins import Origins
from hangtag.text.product_text import ProductText
from hangtag.text.understood import UNREAD, Understood
from hangtag.text.wide import NOWHERE, Features, Wide

TokenIds = NDArray[np.int32]
_Encode = Callable[[list[Any]], list[Encoding]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One tokenised text: `ids` and `segments` (0 or 1, the segment of each token), int32 of shape (length,).

    `features` are the n-grams of the complete, not truncated text; None if the model has no wide part.
    `named` are the tags that the text has a word for, by the kind that the text may be; empty until a tagger adds them.
    `is_cut` is true if the text has more tokens than these. `understood` is what the text says beside its tokens,
    until a tagger adds it nothing. `origins` say where the tokens are in the text; None if nobody asked for them.
    """

    ids: TokenIds
    segments: TokenIds
    features: Features | None = None
    named: Mapping[TextKind, frozenset[str]] = field(default_factory=dict)
    is_cut: bool = False
    understood: Understood = UNREAD
    origins: Origins | None = None

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
        # Left to the library, truncating two long segments also makes every pair of what is left over of them: time and
        # memory that grow with the product of their lengths.
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._wide = wide
        self.max_tokens = max_tokens
        self.tail_tokens = tail_tokens
        # Tokenised word by word, the first words of a text have the same tokens whatever follows.
        self._is_by_word = not tail_tokens and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)

    def __call__(self, texts: Sequence[ProductText]) -> list[Tokens]:
        """Tokenise all texts in one call; the order is kept."""
        encodings = self._encodings(texts, self._tokenizer.encode_batch_fast)
        features = [None] * len(texts) if self._wide is None else self._wide.features(texts)
        return [
            self._truncated(encoding, its_features) for encoding, its_features in zip(encodings, features, strict=True)
        ]

    def located(self, texts: Sequence[ProductText]) -> list[Tokens]:
        """As a call, and where the tokens and n-grams are in the texts; a third slower."""
        found = [(None, NOWHERE)] * len(texts) if self._wide is None else self._wide.located(texts)
        result = []
        for encoding, (features, ngrams) in zip(
            self._encodings(texts, self._tokenizer.encode_batch), found, strict=True
        ):
            kept = self._kept(encoding) if len(encoding.ids) > self.max_tokens else None
            tokens = self._truncated(encoding, features, kept)
            result.append(replace(tokens, origins=Origins.of(encoding, kept, ngrams)))
        return result

    def with_wide(self, wide: Wide | None) -> "ProductTokenizer":
        """The same tokenizer with the n-grams of another wide part."""
        return ProductTokenizer(self._tokenizer, self.max_tokens, wide, self.tail_tokens)

    def is_one_token(self, word: str) -> bool:
        """Whether a word, in lower case, is in the vocabulary as a whole."""
        return self._tokenizer.token_to_id(word) is not None

    def _encodings(self, texts: Sequence[ProductText], encode: _Encode) -> list[Encoding]:
        """The encodings of texts, of long ones with no more of the second segment than is needed to truncate them."""
        shorter = [
            text.second if not self._is_by_word else _first_words(text.second, self.max_tokens) for text in texts
        ]
        encodings = encode(
            [(text.first, second) if second else text.first for text, second in zip(texts, shorter, strict=True)]
        )
        for place, (text, second) in enumerate(zip(texts, shorter, strict=True)):
            if len(second) < len(text.second) and not self._is_enough(encodings[place]):
                (encodings[place],) = encode([(text.first, text.second)])
        return encodings

    def _is_enough(self, encoding: Encoding) -> bool:
        """True if further tokens of the second segment could not change which tokens stay."""
        second = sum(encoding.type_ids)
        others = len(encoding.ids) - second
        return second >= self.max_tokens > others

    def _truncated(
        self, encoding: Encoding, features: Features | None, kept: NDArray[np.int64] | None = None
    ) -> Tokens:
        ids, segments = np.asarray(encoding.ids, np.int32), np.asarray(encoding.type_ids, np.int32)
        if len(ids) <= self.max_tokens:
            return Tokens(ids, segments, features)
        if kept is None:
            kept = self._kept(encoding)
        return Tokens(ids[kept], segments[kept], features, is_cut=True)

    def _kept(self, encoding: Encoding) -> NDArray[np.int64]:
        """The places of the tokens that stay of an encoding with too many."""
        if self.tail_tokens:
            places = np.arange(len(encoding.ids))
            return np.concatenate([places[: self.max_tokens - self.tail_tokens], places[-self.tail_tokens :]])
        return _longest_first(encoding.sequence_ids, self.max_tokens)

    def to_json(self) -> str:
        """The content of a `tokenizer.json`; it names the truncation, for other readers of the file."""
        if self.tail_tokens:
            return self._tokenizer.to_str()
        copy = Tokenizer.from_str(self._tokenizer.to_str())
        copy.enable_truncation(self.max_tokens, strategy="longest_first")
        return copy.to_str()


def _first_words(text: str, count: int) -> str:
    """A cleaned text up to its word at that place; all of a shorter one."""
    words = text.split(" ", count + 1)
    return text[: -len(words[-1]) - 1] if len(words) > count + 1 else text


def kept_of_segments(first: int, second: int, most: int) -> tuple[int, int]:
    """The numbers of tokens that stay of two segments if `most` may; special tokens are not counted.

    The longer segment is truncated first, as the library counts.
    """
    if first + second <= most:
        return first, second
    short, long = sorted((first, second))
    long = max(short, most - short) if short <= most else short
    if short + long > most:
        short, long = most // 2, most - most // 2
    if not second:
        return most, 0
    return (short, long) if first <= second else (long, short)


def _longest_first(sequences: Sequence[int | None], max_tokens: int) -> NDArray[np.int64]:
    """The places of the tokens that stay: special ones (None), and of each segment the first."""
    places = [np.flatnonzero([sequence == segment for sequence in sequences]) for segment in (0, 1)]
    special = np.flatnonzero([sequence is None for sequence in sequences])
    counts = kept_of_segments(len(places[0]), len(places[1]), max(0, max_tokens - len(special)))
    kept = [its_places[:count] for its_places, count in zip(places, counts, strict=True)]
    return np.sort(np.concatenate([special, *kept]))


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
