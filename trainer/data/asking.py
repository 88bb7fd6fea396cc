"""How people ask for a thing: in a sentence, for somebody, without something."""

import random
from dataclasses import dataclass

from hangtag.tags.tag import facet_of
from hangtag.trainer.data.query_frames import (
    NEEDS,
    NEGATED,
    NEGATED_PERSONS,
    QUERIES,
    UTTERANCES,
    WITHOUT_PART,
    framed,
    with_article,
)
from hangtag.trainer.data.tag_words import TagWords
from hangtag.trainer.data.thing import Thing

_FOR = ("{x} for {v}", "{x} as a gift for {v}", "i need {a} for {v}", "looking for {x} for {v}", "{v} wants {a}")
_OTHER_VALUE = 0.5


@dataclass(frozen=True, slots=True)
class Asking:
    """Puts a thing into sentences. What a sentence says about a facet becomes a label, nothing else changes."""

    words: TagWords

    def as_query(self, thing: Thing, rng: random.Random) -> Thing:
        """As typed into a search box."""
        return thing.said(_filled(rng.choice(QUERIES), thing, rng))

    def as_utterance(self, thing: Thing, rng: random.Random) -> Thing:
        """As said to a shop's bot."""
        return thing.said(_filled(rng.choice(UTTERANCES), thing, rng))

    def as_need(self, need: Thing, rng: random.Random) -> Thing:
        """A thing by what it is for; its phrase continues "something to"."""
        return need.said(framed(rng.choice(NEEDS), rng, need=need.phrase))

    def without_part(self, thing: Thing, rng: random.Random) -> Thing:
        """Without something that no tag is about."""
        return thing.said(_filled(rng.choice(WITHOUT_PART), thing, rng))

    def for_somebody(self, thing: Thing, rng: random.Random) -> Thing:
        """For a person who implies a tag ("my wife"), which becomes a label if its facet applies and is not labelled.

        The thing itself if the words know no such person, or the facet is labelled.
        """
        tags = [tag for tag in self.words.recipients if facet_of(tag) not in thing.facets]
        if not tags:
            return thing
        tag = rng.choice(tags)
        phrase = _filled(rng.choice(_FOR), thing, rng, v=rng.choice(self.words.recipients[tag]))
        facet = next(each for each in self.words.schema.facets if each.name == facet_of(tag))
        return thing.said(phrase, *([tag] if self.words.applies(facet, thing.tags) else []))

    def negated(self, thing: Thing, rng: random.Random) -> Thing:
        """With a value of an attribute that is not wanted: the label of the facet stays as it is, or becomes "none".

        The thing itself if no attribute applies to it.
        """
        facets = [
            facet
            for facet in self.words.attributes
            if facet.name in thing.facets or self.words.applies(facet, thing.tags)
        ]
        if not facets:
            return thing
        facet = rng.choice(facets)
        named = self.words.named(thing.phrase)
        tags = [tag for tag in facet.tags if tag in self.words.nouns and tag not in thing.tags | named]
        if not tags:
            return thing
        persons = [tag for tag in tags if tag in self.words.recipients]
        frames = NEGATED_PERSONS if persons else NEGATED
        tag = rng.choice(persons or tags)
        phrase = _filled(rng.choice(frames), thing, rng, v=rng.choice(self.words.nouns[tag]))
        return thing.without(phrase, facet.name)


def _filled(frame: str, thing: Thing, rng: random.Random, **fields: str) -> str:
    return framed(frame, rng, x=thing.phrase, a=with_article(thing.phrase), **fields)
