"""The language of a text, where it is none of those that a bundle was trained on."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

from hangtag.words.automaton import SparseRows

# Where shops sell much. The model knows 140 languages; on a text of two words the rare ones win too often.
_LANGUAGES = (
    "en de fr es it pt nl sv da no fi pl cs sk hu ro tr ru uk bg el he ar fa hi bn ta th vi id ms zh ja ko hr sr sl lt "
    "lv et ca"
)
# So much of a text tells its language.
_MAX_CHARS = 300
# A text is in an unknown language if the languages of the bundle together have at most this probability, and
_MOST_SUPPORTED = 0.1
# either the likeliest other language has at least this one, and the bundle knows fewer of the words than this;
_LEAST_OTHER = 0.3
_MOST_KNOWN_WORDS = 0.5
# or the bundle knows none of several words; or the other language is clear, whatever the words look like.
_CLEAR = 0.8
_MOST_KNOWN_IF_CLEAR = 0.67
# Languages in which few rows are written are not trained languages: product names are of all languages.
_LEAST_SHARE = 0.1
_WORD = re.compile(r"[^\W\d_]{2,}")
_LETTER = re.compile(r"[^\W\d_]")


class LanguageDetector:
    """Finds texts in a language that a bundle does not know. Immutable: threads may share it.

    `languages` (ISO 639-1) are the bundle's; without any, every language counts as known. `knows` says which words, in
    lower case, the bundle has learned: brand names and loan words look foreign in a text that is not.
    """

    def __init__(self, languages: Sequence[str], knows: Callable[[Sequence[str]], Sequence[bool]]) -> None:
        self._languages = frozenset(languages)
        self._knows = knows
        if languages:
            _identifier(self._languages)  # loading it takes half a second: now, not with the first text

    def unknown_language(self, text: str) -> str:
        """The language of a text that is in none of the bundle's languages, or an empty string."""
        if not self._languages or not _LETTER.search(text):
            return ""
        text = text[:_MAX_CHARS].lower()
        is_latin = text.isascii() or _has_latin(text)
        words = _WORD.findall(text) if is_latin else []
        known = sum(self._knows(words)) / len(words) if words else 1.0
        # Of nearly every text the words are known, which is quicker to find out than its language.
        if is_latin and known >= _MOST_KNOWN_IF_CLEAR:
            return ""
        ranked = _identifier(self._languages).rank(text)
        supported = sum(float(share) for language, share in ranked if language in self._languages)
        language, share = ranked[0]
        if language in self._languages or supported > _MOST_SUPPORTED:
            return ""
        if not is_latin:
            return str(language)
        is_unknown = (
            (known < _MOST_KNOWN_WORDS and float(share) >= _LEAST_OTHER)
            or (known == 0 and len(words) > 1)
            or (known < _MOST_KNOWN_IF_CLEAR and float(share) >= _CLEAR)
        )
        return str(language) if is_unknown else ""


def languages_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The languages (ISO 639-1) in which at least a tenth of the texts are written, the most frequent first.

    Texts of a few words are often taken for another language, so pass all that a product has: title and description.
    """
    counts = Counter(language for language in map(likeliest_language, texts) if language)
    total = sum(counts.values())
    return tuple(language for language, count in counts.most_common() if count >= _LEAST_SHARE * total)


def likeliest_language(text: str) -> str:
    """The language (ISO 639-1) in which a text is most likely written; empty if it has no letters."""
    if not _LETTER.search(text):
        return ""
    return str(_identifier(frozenset()).rank(text[:_MAX_CHARS].lower())[0][0])


def _has_latin(text: str) -> bool:
    return re.search(r"[a-z\u00df-\u024f]", text) is not None


@cache
def _identifier(languages: frozenset[str]) -> LanguageIdentifier:
    """The model for the languages of shops, and these."""
    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(sorted({*_LANGUAGES.split(), *languages} & set(found.nb_classes)))
    # What is left of 80 MB: 13. The library keeps the weights of all languages, and its tables as Python's integers.
    found._full_model = (found.nb_ptc, found.nb_pc, found.nb_classes)  # noqa: SLF001 (there is no other way)
    found.tk_nextmove = SparseRows(found.tk_nextmove, found.tk_row)
    found._rowbase = array("I", found._rowbase)  # noqa: SLF001
    found.tk_output = array("i", found.tk_output)
    return found
