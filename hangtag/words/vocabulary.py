"""The words that a bundle has learned."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.text.ngrams import word_hashes
from hangtag.text.tokens import ProductTokenizer
from hangtag.text.wide import Wide
from hangtag.words.memo import Memo

_UNKNOWN = np.float32(np.inf)
# Shorter pieces of the tokenizer's vocabulary are of every language.
_LEAST_PIECE = 4


class Vocabulary:
    """Words of the texts that a bundle was trained on, whole words of its tokenizer, and names of its tags.

    The wide part holds hashes of the words of its training texts. A word counts as one of these only where both of its
    hashes are there, that of titles too, so that no word is known by chance.
    """

    def __init__(self, tokenizer: ProductTokenizer, wide: Wide | None, names: Collection[str]) -> None:
        self._tokenizer = tokenizer
        self._wide = wide
        self._names = frozenset(word for name in names for word in name.split())
        self._known = Memo[bool]()

    def knows(self, words: Sequence[str]) -> list[bool]:
        """Whether each word, in lower case, is known."""
        return self._known(words, self._knows)

    def _knows(self, words: Sequence[str]) -> list[bool]:
        rarities = self.rarities(words)
        return [
            bool(rarity < _UNKNOWN)
            or word in self._names
            or (len(word) >= _LEAST_PIECE and self._tokenizer.is_one_token(word))
            for word, rarity in zip(words, rarities, strict=True)
        ]

    def rarities(self, words: Sequence[str]) -> NDArray[np.float32]:
        """How rare each word is in the training texts: its inverse document frequency; infinite if it is not known.

        A word that is a single character, or none of letters and digits, is unknown.
        """
        result = np.full(len(words), _UNKNOWN, np.float32)
        if self._wide is None:
            return result
        places, complete, title = word_hashes(words)
        result[places] = np.maximum(self._wide.rarity(complete), self._wide.rarity(title))
        return result
