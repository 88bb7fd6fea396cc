"""Texts like those that people type, made from labelled products and from the words for tags, with labels."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from hangtag.tags.schema import TagSchema
from hangtag.trainer.data.asking import Asking
from hangtag.trainer.data.augment import mistyped
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.query_frames import shortened
from hangtag.trainer.data.tag_things import TagThings
from hangtag.trainer.data.tag_words import QueryWords, TagWords
from hangtag.trainer.data.thing import Thing
from hangtag.trainer.data.title_things import TitleThings
from hangtag.trainer.data.title_words import TitleWords

_HAS_LATIN = re.compile(r"[a-zA-Z]")
# The probabilities of what happens to a text.
_MISTYPED, _WORD_RATE = 0.12, 0.2
_SHORTENED = 0.1
_CASED = 0.12
_CASES = (str.title, str.upper, str.capitalize, str.capitalize)


@dataclass(frozen=True, slots=True)
class QueryMix:
    """The shares of texts in a draw, from 0 to 1.

    `needs`, `attributes` (values of an attribute alone) and `from_tags` are shares of all texts, the rest comes from
    titles. Of things from tags and titles, `queries` and `utterances` get a frame, `for_somebody`, `negated` and
    `without_part` say more; the rest stays bare.
    """

    needs: float = 0.12
    attributes: float = 0.02
    from_tags: float = 0.44
    queries: float = 0.16
    utterances: float = 0.32
    for_somebody: float = 0.05
    negated: float = 0.06
    without_part: float = 0.02


_MIX = QueryMix()


@dataclass(frozen=True, slots=True)
class QueryMaker:
    """Makes texts that people might type. Pure: the same random numbers give the same texts."""

    products: Sequence[LabelledProduct]
    from_titles: TitleThings
    from_tags: TagThings
    asking: Asking
    mix: QueryMix = field(default=_MIX)

    @classmethod
    def of(
        cls,
        products: Sequence[LabelledProduct],
        schema: TagSchema,
        words: QueryWords | None = None,
        mix: QueryMix = _MIX,
    ) -> Self:
        """Learn the words of the products' titles. `words` are further words for the tags; their names are known."""
        tag_words = TagWords.of(schema, words)
        titled = [product for product in products if product.title]
        titles = TitleThings(tag_words, TitleWords.of(titled, tag_words))
        return cls(titled, titles, TagThings(tag_words), Asking(tag_words), mix)

    def draw(self, count: int, rng: random.Random) -> list[LabelledProduct]:
        """Draw `count` texts, each a product that has only a title; fewer where titles and tags have no words."""
        things = (self._thing(rng) for _ in range(count))
        return [self._typed(thing, rng).to_product(f"query-{at}") for at, thing in enumerate(things) if thing]

    def from_product(self, product: LabelledProduct, rng: random.Random) -> LabelledProduct | None:
        """A text that asks for a product like this one; None if no words of its title say a tag."""
        thing = self.from_titles.draw(product, rng)
        return self._typed(self._asked(thing, rng), rng).to_product(product.product_id) if thing else None

    def from_tag(self, tag: str, rng: random.Random) -> LabelledProduct:
        """A text that asks for a thing with this tag, which must be a tag of the schema that is not blocked."""
        return self._typed(self._asked(self.from_tags.of_tag(tag, rng), rng), rng).to_product(tag)

    def _thing(self, rng: random.Random) -> Thing | None:
        mix, chance = self.mix, rng.random()
        if self.asking.words.needs and chance < mix.needs:
            return self.asking.as_need(self.from_tags.need(rng), rng)
        if mix.needs <= chance < mix.needs + mix.attributes:
            return self.from_tags.attribute_alone(rng)
        found = None
        if self.products and chance >= mix.needs + mix.attributes + mix.from_tags:
            found = self.from_titles.draw(rng.choice(self.products), rng)
        found = found or self.from_tags.draw(rng)
        return self._asked(found, rng) if found and found.tags else None

    def _asked(self, thing: Thing, rng: random.Random) -> Thing:
        mix, asking = self.mix, self.asking
        if not _HAS_LATIN.search(thing.phrase):
            return thing
        ways = (
            (mix.queries, asking.as_query),
            (mix.utterances, asking.as_utterance),
            (mix.for_somebody, asking.for_somebody),
            (mix.negated, asking.negated),
            (mix.without_part, asking.without_part),
        )
        chance = rng.random()
        for share, way in ways:
            if chance < share:
                return way(thing, rng)
            chance -= share
        return thing

    def _typed(self, thing: Thing, rng: random.Random) -> Thing:
        """As typed in a hurry: small letters mostly, errors, abbreviations."""
        text = thing.phrase
        if rng.random() < _SHORTENED:
            text = shortened(text, rng)
        if rng.random() < _MISTYPED:
            text = mistyped(text, _WORD_RATE, rng)
        if rng.random() < _CASED:
            text = rng.choice(_CASES)(text)
        return thing.said(text)
