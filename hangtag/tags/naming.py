"""Which tags a text names: attributes such as a color are served only where the text has a word for them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

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
# Between words that make one phrase: "navy blue", "blue-green".
_ADJACENT = re.compile(r"[\s-]{0,2}")


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
            matches = list(self._matches(segment))
            found.update(tag for match in matches for tag in self._tags[_key(match.group())])
            for before, after in pairwise(matches):
                if _ADJACENT.fullmatch(segment, before.end(), after.start()):
                    unclear |= self._rivals(self._tags[_key(before.group())], self._tags[_key(after.group())])
        return frozenset(found - unclear)

    @property
    def words(self) -> Collection[str]:
        """The words and phrases that name a tag, in lower case."""
        return self._tags.keys()

    def mentioned(self, text: str) -> frozenset[str]:
        """The tags that a part of a text has a word for, also where two words describe each other ("navy blue")."""
        return frozenset(tag for match in self._matches(text) for tag in self._tags[_key(match.group())])

    def words_for(self, tag: str, text: str) -> list[str]:
        """The words and phrases of a text that name a tag, in lower case, in their order."""
        return [match.group().lower() for match in self._matches(text) if tag in self._tags[_key(match.group())]]

    def without(self, text: str, facet: str) -> str:
        """The text without the words of a facet's tags."""
        while True:
            matches = [
                match
                for match in self._matches(text)
                if any(facet_of(tag) == facet for tag in self._tags[_key(match.group())])
            ]
            if not matches:
                return text
            for match in reversed(matches):  # removing one may join its neighbours to another word of the facet
                text = f"{text[: match.start()].rstrip()} {text[match.end() :].lstrip()}".strip()

    def _matches(self, text: str) -> Iterator[re.Match[str]]:
        if self._pattern is None:
            return iter(())
        # Some letters match when case is ignored, but have another lower case: the dotted capital I of Turkish.
        return (match for match in self._pattern.finditer(text) if _key(match.group()) in self._tags)

    def _rivals(self, before: Collection[str], after: Collection[str]) -> set[str]:
        """The tags of two adjacent words that name a single facet differently."""
        facets = {facet_of(tag) for tag in before} & {facet_of(tag) for tag in after} & self._single
        shared = set(before) & set(after)
        return {tag for tag in (*before, *after) if facet_of(tag) in facets} - shared


def _key(word: str) -> str:
    return " ".join(_PART.findall(word.lower()))


def _pattern_of(keys: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(keys, key=lambda key: (-len(key), key))
    if not longest_first:
        return None
    words = (_JOINT.join(map(re.escape, key.split(" "))) for key in longest_first)
    return re.compile(f"{_BEGIN}(?:{'|'.join(words)}){_END}", re.IGNORECASE)


def naming_of(schema: TagSchema, words: Mapping[str, Iterable[str]]) -> Naming:
    """The naming of a schema's tags."""
    return Naming(words, [facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE])
