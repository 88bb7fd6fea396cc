"""What the words of titles are: codes, sizes, names of brands, words that stand for a tag, and others."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Self

from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.tag_words import TagWords
from hangtag.trainer.data.word_forms import singular_of

_TOKEN = re.compile(r"[^\s,;|()\[\]{}<>*!?\"“”]+")
_POSSESSIVE = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}]s?$")
_EDGES = ".:'`-\N{EN DASH}\N{EM DASH}_/&+#"
_UNITS = r"(?:mm|cm|m|in|inch(?:es)?|ft|oz|lbs?|g|kg|mg|ml|l|gal|w|v|mah|gb|tb|mb|hz|pcs?|pk|packs?|ct|count|x)"
_SIZE = re.compile(rf"(?:\d+(?:[.,/-]\d+)*{_UNITS}?|{_UNITS}|x{{0,3}}[sml]|x+l|\d+(?:x\d+)+[a-z]*)", re.IGNORECASE)
_CODE = re.compile(r"(?=.*\d)(?=.*[a-z]).{4,}|\d{5,}", re.IGNORECASE)
_FILLERS = frozenset(
    re.findall(
        r"\S+",
        "a an and as at by for from in is it new of off on or our sale the this to w with your free shipping official "
        "genuine original brand style model item lot all",
    )
)
# A word stands for a tag if this many titles have both, this share of the titles with the word have the tag, and the
# odds of the tag with the word are so many times those without knowing the word: half of all products may have one tag.
_LEAST_TITLES = 3
_LEAST_SHARE = 0.6
_LEAST_ODDS = 8.0
# A word is a name if it is written with a capital letter in all but this share of the running texts.
_MOST_IN_SMALL_LETTERS = 0.05


class WordKind(Enum):
    """What a word of a title is."""

    FILLER = auto()
    CODE = auto()
    SIZE = auto()
    NAME = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class TitleWord:
    """A word of a title: as written without punctuation around it, in small letters, and what it is."""

    written: str
    word: str
    kind: WordKind


@lru_cache(maxsize=1 << 16)
def key_of(word: str) -> str:
    """The form in which words are compared: small letters, singular, without the ending of a possessive."""
    return singular_of(_POSSESSIVE.sub("", word.casefold()))


@dataclass(frozen=True)
class TitleWords:
    """What is known of the words of a shop's titles.

    `supports` holds the tags that a word stands for, by the word's `key_of`; `names` the words that are always written
    with a capital letter: brands, teams, places.
    """

    supports: Mapping[str, frozenset[str]]
    names: frozenset[str]

    @classmethod
    def of(cls, products: Iterable[LabelledProduct], words: TagWords) -> Self:
        """Count the words of the products' titles and descriptions. Words of tags are never names."""
        titles: Counter[str] = Counter()
        both: Counter[tuple[str, str]] = Counter()
        tagged: Counter[str] = Counter()
        capital: Counter[str] = Counter()
        small: Counter[str] = Counter()
        for product in products:
            keys = {key_of(word) for word in _tokens(product.title)}
            titles.update(keys)
            tagged.update(product.tags)
            both.update((key, tag) for key in keys for tag in product.tags)
            # The first word of a text has a capital letter in any case.
            for word in _tokens(product.description)[1:]:
                (capital if word[:1].isupper() else small)[key_of(word)] += 1
            small.update(key_of(word) for word in _tokens(product.title) if word.islower())
        labelled = _labelled(products)
        known = {key_of(part) for phrase in words.tags_of_phrase for part in phrase.split()}
        names = {
            key
            for key in titles
            if key not in known and small[key] <= _MOST_IN_SMALL_LETTERS * (small[key] + capital[key] + titles[key])
        }
        # A name stands for no thing, nor does a value of an attribute: half of a shop's women's wear may be shoes.
        not_things = names | {
            key_of(word) for facet in words.attributes for tag in facet.tags for word in words.nouns.get(tag, ())
        }
        supports: dict[str, set[str]] = {}
        for (key, tag), count in both.items():
            share, prior = count / titles[key], tagged[tag] / labelled[facet_of(tag)]
            is_frequent = count >= _LEAST_TITLES and share >= _LEAST_SHARE
            if is_frequent and key not in not_things and share * (1 - prior) >= _LEAST_ODDS * prior * (1 - share):
                supports.setdefault(key, set()).add(tag)
        return cls({key: frozenset(tags) for key, tags in supports.items()}, frozenset(names))

    def split(self, title: str) -> list[TitleWord]:
        """The words of a title, in order."""
        return [TitleWord(written, written.casefold(), self._kind(written)) for written in _tokens(title)]

    def supports_of(self, word: TitleWord) -> frozenset[str]:
        """The tags that a word stands for. A size stands for none."""
        return frozenset() if word.kind is WordKind.SIZE else self.supports.get(key_of(word.word), frozenset())

    def _kind(self, written: str) -> WordKind:
        if written.casefold() in _FILLERS:
            return WordKind.FILLER
        if _SIZE.fullmatch(written):
            return WordKind.SIZE
        if _CODE.fullmatch(written):
            return WordKind.CODE
        return WordKind.NAME if key_of(written) in self.names else WordKind.OTHER


def _tokens(text: str) -> list[str]:
    stripped = (found.strip(_EDGES) for found in _TOKEN.findall(text))
    return [word for word in stripped if word]


def _labelled(products: Iterable[LabelledProduct]) -> Counter[str]:
    """The number of products that have labels in each facet."""
    return Counter(facet for product in products for facet in product.facets)
