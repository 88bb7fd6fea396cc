"""Things from titles: the words of a product's title that somebody would type who looks for it."""

import random
import re
from dataclasses import dataclass

from hangtag.tags.schema import FacetKind
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.tag_words import TagWords
from hangtag.trainer.data.thing import Thing
from hangtag.trainer.data.title_words import TitleWord, TitleWords, WordKind
from hangtag.trainer.data.word_forms import other_number

# How often a word of each kind is kept.
_KEPT = {
    WordKind.FILLER: 0.0,
    WordKind.CODE: 0.05,
    WordKind.SIZE: 0.1,
    WordKind.NAME: 0.2,
    WordKind.OTHER: 0.45,
}
_KEEP_SUPPORT = 0.85
_MOST_WORDS = 6
_MOVE_TO_THE_END = 0.2
_OTHER_NUMBER = 0.25
_TRIES = 4
_HAS_LATIN = re.compile(r"[a-z]")


@dataclass(frozen=True, slots=True)
class TitleThings:
    """Takes words from titles, and keeps the labels that these words still say."""

    words: TagWords
    title_words: TitleWords

    def draw(self, product: LabelledProduct, rng: random.Random) -> Thing | None:
        """Some words of the title; None if they say no tag but of attributes, or the title is not in Latin letters.

        A facet is labelled only if words that are left name its tag or stand for it; a tag of an attribute facet only
        if they name it. A facet without labels gets one if the words name one kind of thing.
        """
        split = self.title_words.split(product.title)
        if not _HAS_LATIN.search(product.title.casefold()):
            return None
        for _ in range(_TRIES):
            kept = [word for word in split if rng.random() < self._share(word, product)]
            if not kept:
                continue
            kept = kept[-_MOST_WORDS:]
            thing = self._thing(kept, product)
            if any(facet_of(tag) not in self.words.attribute_names for tag in thing.tags):
                return _rearranged(thing, kept, rng)
        return None

    def _share(self, word: TitleWord, product: LabelledProduct) -> float:
        if word.kind in {WordKind.OTHER, WordKind.NAME} and self._stood_for(word, product):
            return _KEEP_SUPPORT
        return _KEPT[word.kind]

    def _stood_for(self, word: TitleWord, product: LabelledProduct) -> frozenset[str]:
        return product.tags & (self.title_words.supports_of(word) | self.words.said_by(word.word))

    def _thing(self, kept: list[TitleWord], product: LabelledProduct) -> Thing:
        phrase = " ".join(word.word for word in kept)
        named = self.words.named(phrase)
        supported = {
            tag
            for word in kept
            for tag in self.title_words.supports_of(word)
            if facet_of(tag) not in self.words.attribute_names
        }
        said = product.tags & (named | supported)
        said = product.tags & {above for tag in said for above in self.words.path(tag)}
        further = {tag for tag in self.words.thing_named(phrase) if facet_of(tag) not in product.facets}
        if self._agree(further, product):
            said |= further
        facets = {facet_of(tag) for tag in said}
        multi = {facet.name for facet in self.words.schema.facets if facet.kind is FacetKind.MULTI}
        # Of a facet with several tags, a label says that there are no others: all of them must be left.
        facets -= {name for name in facets & multi if product.tags_of(name) - said}
        return Thing(phrase, frozenset(facets), frozenset(tag for tag in said if facet_of(tag) in facets))

    def _agree(self, further: set[str], product: LabelledProduct) -> bool:
        """Whether the tags above these are those of the product, where it has labels."""
        above = {higher for tag in further for higher in self.words.path(tag) if facet_of(higher) in product.facets}
        return above <= product.tags


def _rearranged(thing: Thing, kept: list[TitleWord], rng: random.Random) -> Thing:
    words = [word.word for word in kept]
    if rng.random() < _OTHER_NUMBER:
        words[-1] = other_number(words[-1])
    if len(words) > 1 and rng.random() < _MOVE_TO_THE_END:
        words.append(words.pop(rng.randrange(len(words) - 1)))
    return thing.said(" ".join(words))
