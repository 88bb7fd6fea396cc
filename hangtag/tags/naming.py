"""Which tags a text names: attributes such as a color are served only where the text has a word for them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.text.product_text import ProductText
from hangtag.text.scripts import UNSPACED

# A word begins and ends next to anything but a letter or digit, and on either side of a character of a script without
# spaces between words. A hyphen separates words: "gold-plated" names gold.
_BEGIN = rf"(?:(?<!\w)|(?<=[{UNSPACED}])|(?=[{UNSPACED}]))"
_END = rf"(?:(?!\w)|(?=[{UNSPACED}])|(?<=[{UNSPACED}]))"
# Between the parts of a word of several parts.
_JOINT = r"[^\w]{1,3}"
_PART = re.compile(r"\w+")
_NEXT_PART = re.compile(rf"{_JOINT}(\w+)")
# Between words that make one phrase: "navy blue", "blue-green".
_ADJACENT = re.compile(r"[\s-]{0,2}")
# Latin letters that have one lower case and match no other letter when case is ignored, as all but these do: the micro
# sign, the Turkish i with and without a dot, and the long s.
_SURPRISING = "\u00b5\u0130\u0131\u017f"
_PLAIN = re.compile(rf"(?:(?![{_SURPRISING}])[\x00-\u024f])*")


class _Word(NamedTuple):
    """A word or phrase of tags in a text: its key, and where it is."""

    key: str
    start: int
    end: int


class Naming:
    """Finds the words of tags in a text, as complete words and ignoring case. Immutable: threads may share it."""

    def __init__(self, words: Mapping[str, Iterable[str]], single: Collection[str] = ()) -> None:
        """`words` holds the words and phrases of each tag; `single` are the facets of which one tag fits."""
        tags: dict[str, list[str]] = {}
        for tag, its_words in words.items():
            for word in its_words:
                if key := _key(word):
                    tags.setdefault(key, []).append(tag)
        self._tags = {key: tuple(dict.fromkeys(its_tags)) for key, its_tags in tags.items()}
        self._pattern = _pattern_of(self._tags)
        self._single = frozenset(single)
        # The keys by their first part, in the pattern's order, each with its further parts.
        self._by_first: dict[str, list[tuple[str, list[str]]]] = {}
        for key in _longest_first(self._tags):
            parts = key.split(" ")
            self._by_first.setdefault(parts[0], []).append((key, parts[1:]))
        self._is_plain = not any(char in _SURPRISING for key in self._tags for char in key)

    def named(self, text: ProductText) -> frozenset[str]:
        """The tags that the text names.

        Of words that share characters the longest counts: with "navy blue" as a word of its own, the phrase does not
        name blue. Where words of two tags of a single facet follow each other directly ("navy blue" without such a
        word), they describe each other, and the text is taken to name neither tag.
        """
        found: set[str] = set()
        unclear: set[str] = set()
        # Words on either side of the line break are not adjacent.
        for segment in (text.first, text.second):
            words = self._words(segment)
            found.update(tag for word in words for tag in self._tags[word.key])
            for before, after in pairwise(words):
                if _ADJACENT.fullmatch(segment, before.end, after.start):
                    unclear |= self._rivals(self._tags[before.key], self._tags[after.key])
        return frozenset(found - unclear)

    @property
    def words(self) -> Collection[str]:
        """The words and phrases that name a tag, in lower case."""
        return self._tags.keys()

    def mentioned(self, text: str) -> frozenset[str]:
        """The tags that a part of a text has a word for, also where two words describe each other ("navy blue")."""
        return frozenset(tag for word in self._words(text) for tag in self._tags[word.key])

    def words_by_tag(self, text: ProductText) -> dict[str, list[str]]:
        """The words and phrases that name each tag that the text has a word for, in lower case, in their order."""
        found: dict[str, list[str]] = {}
        for segment in (text.first, text.second):
            for word in self._words(segment):
                for tag in self._tags[word.key]:
                    found.setdefault(tag, []).append(segment[word.start : word.end].lower())
        return found

    def without(self, text: str, facet: str) -> str:
        """The text without the words of a facet's tags."""
        while True:
            words = [word for word in self._words(text) if any(facet_of(tag) == facet for tag in self._tags[word.key])]
            if not words:
                return text
            for word in reversed(words):  # removing one may join its neighbours to another word of the facet
                text = f"{text[: word.start].rstrip()} {text[word.end :].lstrip()}".strip()

    def _words(self, text: str) -> list[_Word]:
        """The words and phrases in a text, from left to right, of several that begin at one place the longest."""
        if self._pattern is None or not text:
            return []
        if self._is_plain and _PLAIN.fullmatch(text):
            return list(self._plain_words(text))
        # Some letters match when case is ignored, but have another lower case: the dotted capital I of Turkish.
        matches = ((_key(match.group()), *match.span()) for match in self._pattern.finditer(text))
        return [_Word(*match) for match in matches if match[0] in self._tags]

    def _plain_words(self, text: str) -> Iterator[_Word]:
        """What the pattern finds in a text of Latin letters, without trying it at every character: ten times as fast.

        There a word of the pattern is a complete word of the text.
        """
        lower = text.lower()  # of the same length: no letter is a surprising one
        by_first, at = self._by_first, 0
        for match in _PART.finditer(lower):
            keys = by_first.get(match[0])
            if keys is None or (start := match.start()) < at:
                continue
            for key, more_parts in keys:
                end = _end_of(more_parts, lower, match.end())
                if end:
                    yield _Word(key, start, end)
                    at = end
                    break

    def _rivals(self, before: Collection[str], after: Collection[str]) -> set[str]:
        """The tags of two adjacent words that name a single facet differently."""
        facets = {facet_of(tag) for tag in before} & {facet_of(tag) for tag in after} & self._single
        shared = set(before) & set(after)
        return {tag for tag in (*before, *after) if facet_of(tag) in facets} - shared


def _key(word: str) -> str:
    return " ".join(_PART.findall(word.lower()))


def _end_of(parts: Sequence[str], text: str, at: int) -> int:
    """Where the further parts of a phrase end that has begun before `at`; 0 if they do not follow there."""
    for part in parts:
        match = _NEXT_PART.match(text, at)
        if match is None or match[1] != part:
            return 0
        at = match.end()
    return at


def _longest_first(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: (-len(key), key))


def _pattern_of(keys: Collection[str]) -> re.Pattern[str] | None:
    if not keys:
        return None
    words = (_JOINT.join(map(re.escape, key.split(" "))) for key in _longest_first(keys))
    return re.compile(f"{_BEGIN}(?:{'|'.join(words)}){_END}", re.IGNORECASE)


def naming_of(schema: TagSchema, words: Mapping[str, Iterable[str]]) -> Naming:
    """The naming of a schema's tags."""
    return Naming(words, [facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE])
