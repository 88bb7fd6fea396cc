"""Things from tags: what people call a tag, and the values of attributes that describe it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hangtag.tags.schema import Facet
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.tag_words import TagWords
from hangtag.trainer.data.thing import Thing
from hangtag.trainer.data.word_forms import other_number

_OTHER_NUMBER = 0.4
# How often a thing that an attribute applies to gets a value of it; and one that no attribute applies to: "red kettle".
_DESCRIBED = 0.3
_DESCRIBED_ELSEWHERE = 0.08
_AFTER = 0.3
_LOWEST = 0.9


@dataclass(frozen=True)
class TagThings:
    """Names a tag. Every tag of the lowest facets is as likely as any other, whatever the products have."""

    words: TagWords

    def draw(self, rng: random.Random) -> Thing | None:
        """A random tag's name, possibly with values of attributes; None if no tag stands for a thing."""
        lowest, others = self._levels
        if not lowest:
            return None
        return self.of_tag(rng.choice(lowest if not others or rng.random() < _LOWEST else others), rng)

    def of_tag(self, tag: str, rng: random.Random) -> Thing:
        """A name of this tag, possibly with values of attributes, and the labels that the name says.

        A name that says nothing for certain, because tags of several kinds have it, is not used if there is another.
        """
        names = [name for name in self.words.nouns[tag] if self.words.said_by(name)] or self.words.nouns[tag]
        name = rng.choice(names)
        tags = self.words.said_by(name)
        phrase = other_number(name) if rng.random() < _OTHER_NUMBER else name
        thing = Thing(phrase, frozenset(map(facet_of, tags)), tags)
        for facet in self.words.attributes:
            if rng.random() < (_DESCRIBED if self.words.applies(facet, tags) else _DESCRIBED_ELSEWHERE):
                thing = self.described(thing, facet, rng)
        return thing

    def need(self, rng: random.Random) -> Thing:
        """What a random tag is for, without its name; needs a list of words with needs."""
        tag = rng.choice(sorted(self.words.needs))
        tags = self.words.path(tag)
        return Thing(rng.choice(self.words.needs[tag]), frozenset(map(facet_of, tags)), tags)

    def attribute_alone(self, rng: random.Random) -> Thing | None:
        """A value of an attribute without a thing: "red" is a color and no class. None if there is no attribute."""
        tags = [tag for facet in self.words.attributes for tag in facet.tags if tag in self.words.nouns]
        if not tags:
            return None
        word = rng.choice(self.words.nouns[rng.choice(tags)])
        return Thing(word, frozenset(map(facet_of, self.words.things)), frozenset())

    def described(self, thing: Thing, facet: Facet, rng: random.Random) -> Thing:
        """The thing with a value of an attribute, which is a label only if the attribute applies to such things."""
        values = [tag for tag in facet.tags if tag in self.words.nouns]
        tag = rng.choice(values)
        word = rng.choice(self.words.nouns[tag])
        phrase = f"{thing.phrase} {word}" if rng.random() < _AFTER else f"{word} {thing.phrase}"
        return thing.said(phrase, *([tag] if self.words.applies(facet, thing.tags) else []))

    @cached_property
    def _levels(self) -> tuple[Sequence[str], Sequence[str]]:
        """The tags of things in the lowest facets, and those above."""
        above: Mapping[str, object] = {facet.parent: facet for facet in self.words.schema.facets if facet.parent}
        things = self.words.things
        return [tag for tag in things if facet_of(tag) not in above], [tag for tag in things if facet_of(tag) in above]
