"""The word that was meant for a word with a typing error: one edit away, and known to the bundle."""

import re
from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np

from hangtag.words.memo import Memo
from hangtag.words.tag_names import forms
from hangtag.words.topic import is_gibberish
from hangtag.words.vocabulary import Vocabulary

_WORD = re.compile(r"(?<![\w-])[a-z]{5,20}(?![\w-])", re.IGNORECASE)
# Letters that are taken for each other.
_ALIKE = ("aeiouy", "csz", "ck")
# A word that is corrected to must be in so many training texts as to have at most this inverse document frequency,
# relative to that of the rarest words.
_MOST_RARITY = 0.93
_MOST_WORDS = 4


class Speller:
    """Corrects unknown words. Immutable: threads may share it."""

    def __init__(self, vocabulary: Vocabulary, rarest: float) -> None:
        """`rarest` is the largest inverse document frequency of the vocabulary's words."""
        self._vocabulary = vocabulary
        self._limit = rarest * _MOST_RARITY
        self._meant = Memo[str]()

    def corrections(self, text: str) -> dict[str, str]:
        """What was meant for words of the text, both in lower case; without the words that are known or not found."""
        words = list(dict.fromkeys(match.group().lower() for match in _WORD.finditer(text)))[:_MOST_WORDS]
        if not words:
            return {}
        return {word: meant for word, meant in zip(words, self._meant(words, self._corrected), strict=True) if meant}

    def _corrected(self, words: Sequence[str]) -> list[str]:
        """What was meant for each word; empty if it is known, or nothing is found."""
        by_word = [(word, form) for word in words for form in forms(word)]
        knows = self._vocabulary.knows([form for _, form in by_word])
        known = {word for (word, _), is_known in zip(by_word, knows, strict=True) if is_known}
        return ["" if word in known or is_gibberish(word) else self._correction(word) for word in words]

    def _correction(self, word: str) -> str:
        candidates = _one_edit_away(word)
        rarities = self._vocabulary.rarities(candidates)
        # People seldom miss the first letter.
        rarities = rarities + np.array([0 if each[0] == word[0] else self._limit / 3 for each in candidates])
        best = int(rarities.argmin())
        return candidates[best] if rarities[best] <= self._limit else ""


def corrected(text: str, corrections: dict[str, str]) -> str:
    """The text with words replaced."""
    return _WORD.sub(lambda match: corrections.get(match.group().lower(), match.group()), text) if corrections else text


def _one_edit_away(word: str) -> list[str]:
    """Words that people mean who write this one.

    Two letters in the other order, one too many or left out, or one that sounds alike. The last letter stays: it makes
    the number of a word.
    """
    edits = []
    for at in range(len(word)):
        before, char, after = word[:at], word[at], word[at + 1 :]
        edits += [f"{before}{letter}{char}{after}" for letter in ascii_lowercase]
        if after:
            edits += [f"{before}{after[0]}{char}{after[1:]}", before + after]
            edits += [f"{before}{other}{after}" for group in _ALIKE if char in group for other in group]
    return [edit for edit in dict.fromkeys(edits) if edit != word]
