"""The words that people have for tags: from the tags' names, and from a list of words."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hangtag.settings.toml import TomlError, parse_toml
from hangtag.tags.schema import Facet, TagSchema
from hangtag.tags.tag import value_of
from hangtag.trainer.data.word_forms import other_number
from hangtag.trainer.errors import TrainerError

Phrases = Mapping[str, tuple[str, ...]]
# What catalogues add to the names of their groups, and nobody types; and what they call a set.
_OF_CATALOGUES = re.compile(r"\b(?:other|assorted|miscellaneous|n/?a)\b|\([^)]*\)")
_SETS = re.compile(r"\bvariety packs?\b")
# The last words that belong to every part of a name: "hair removal/masking products" are also "hair removal products".
_SHARED = {"products", "supplies", "equipment", "accessories", "furnishings", "appliances", "tools", "aids", "parts"}


class QueryWordsError(TrainerError):
    """A list of words cannot be used; the message names the file and what is wrong."""


class QueryWords(BaseModel):
    """What people call things, as a file lists it.

    `nouns` are names of what a tag stands for, `needs` what it is for ("keep drinks hot"), `recipients` persons who
    imply a tag ("my wife"); all by tag.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nouns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    needs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    recipients: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a TOML file with the tables `nouns`, `needs` and `recipients`.

        Raises:
            QueryWordsError: the file is missing, is not valid TOML, or holds something else.
        """
        try:
            return cls.model_validate(parse_toml(path.read_bytes()))
        except OSError as error:
            msg = f"{path}: {error.strerror}"
        except (TomlError, ValidationError) as error:
            msg = f"{path}: not a list of words by tag: {error}"
        raise QueryWordsError(msg)


def spoken_names(value: str) -> tuple[str, ...]:
    """What people would say for a tag's value: `tents/weather structures` gives "tents" and "weather structures".

    The value itself, cleaned, if nothing can be said in parts.
    """
    clean = " ".join(_OF_CATALOGUES.sub(" ", _SETS.sub("set", value.casefold())).replace(" - ", "/").split())
    if clean.endswith(" set"):
        return (clean.replace("/", " "),)
    parts = [part.strip(" ,&-") for part in re.split(r"[/,;]| & | and ", clean)]
    # "accessories" alone says nothing.
    words = [part for part in parts if part and part not in _SHARED] or [clean]
    last = words[-1].split() if words else []
    if len(words) > 1 and len(last) > 1 and last[-1] in _SHARED:
        words = [part if part.split()[-1] in _SHARED else f"{part} {last[-1]}" for part in words]
    return tuple(dict.fromkeys(words)) or (value.casefold(),)


@dataclass(frozen=True)
class TagWords:
    """The words for the tags of a schema. Immutable."""

    schema: TagSchema
    nouns: Phrases
    needs: Phrases
    recipients: Phrases
    attributes: tuple[Facet, ...]

    @classmethod
    def of(cls, schema: TagSchema, words: QueryWords | None = None, attributes: Collection[str] | None = None) -> Self:
        """The words of the list, and those of the tags' own names. Words of tags outside the schema are ignored.

        `attributes` are the single facets that describe a thing and name none; by default those with `applies_when`.
        """
        listed = words or QueryWords()
        nouns = {tag: _nouns(tag, listed) for tag in schema.tags if tag not in schema.blocked}

        def known(phrases: Mapping[str, tuple[str, ...]]) -> Phrases:
            return {tag: its for tag, its in phrases.items() if tag in nouns}

        alone = {chain[0].name for chain in schema.chains if len(chain) == 1}
        describing = tuple(
            facet
            for facet in schema.facets
            if facet.name in alone and (facet.applies_when if attributes is None else facet.name in attributes)
        )
        return cls(schema, nouns, known(listed.needs), known(listed.recipients), describing)

    @cached_property
    def things(self) -> tuple[str, ...]:
        """The tags that stand for a kind of thing: those of single facets that are no attributes."""
        describing = set(self.attributes)
        facets = [facet for chain in self.schema.chains for facet in chain if facet not in describing]
        return tuple(tag for facet in facets for tag in facet.tags if tag in self.nouns)

    @cached_property
    def attribute_names(self) -> frozenset[str]:
        """The names of the attribute facets."""
        return frozenset(facet.name for facet in self.attributes)

    @cached_property
    def tags_of_phrase(self) -> Mapping[str, frozenset[str]]:
        """The tags of every phrase for a thing or an attribute, in singular and plural."""
        found: dict[str, set[str]] = {}
        for tag, phrases in self.nouns.items():
            for phrase in phrases:
                for form in (phrase, other_number(phrase)):
                    found.setdefault(form, set()).add(tag)
        return {phrase: frozenset(tags) for phrase, tags in found.items()}

    def path(self, tag: str) -> frozenset[str]:
        """The tag and those above it, as far as these are certain: of a class in two families, the segment is."""
        found, above = {tag}, set(self.schema.parents.get(tag, ()))
        while above:
            if len(above) == 1:
                found |= above
            above = {higher for each in above for higher in self.schema.parents.get(each, ())}
        return frozenset(found)

    def said_by(self, phrase: str) -> frozenset[str]:
        """The tags that a phrase for a thing says for certain: of a phrase that several have, what is above all."""
        tags = self.tags_of_phrase.get(phrase, frozenset())
        paths = [self.path(tag) for tag in tags]
        # "camping" names a segment and the family below it: the longer path counts, and holds the shorter.
        longest = max(paths, key=len, default=frozenset())
        return longest if all(path <= longest for path in paths) else frozenset.intersection(*paths)

    def named(self, text: str) -> frozenset[str]:
        """The tags that phrases in a text say. Of phrases that share words, the first and longest counts."""
        words, found, at = text.casefold().split(), set[str](), 0
        while at < len(words):
            longest = min(self._most_words, len(words) - at)
            size = next((n for n in range(longest, 0, -1) if " ".join(words[at : at + n]) in self.tags_of_phrase), 0)
            found |= self.said_by(" ".join(words[at : at + size]))
            at += size or 1
        return frozenset(found)

    def thing_named(self, text: str) -> frozenset[str]:
        """The tags of the one kind of thing that a text names; none if it names several: a belt for jeans."""
        things = frozenset(self.things)
        named = self.named(text) & things
        paths = [self.path(tag) for tag in named]
        return named if all(named >= path for path in paths) and any(named == path for path in paths) else frozenset()

    @cached_property
    def _most_words(self) -> int:
        return max(phrase.count(" ") + 1 for phrase in self.tags_of_phrase)

    def applies(self, facet: Facet, tags: frozenset[str]) -> bool:
        """Whether an attribute facet applies to a product with these tags."""
        return not facet.applies_when or bool(tags & set(facet.applies_when))


def _nouns(tag: str, listed: QueryWords) -> tuple[str, ...]:
    """The listed words and the name; without listed ones also the parts of the name, which may say something else."""
    own = listed.nouns.get(tag, ())
    names = spoken_names(value_of(tag))
    spoken = (" ".join(names),) if own else names
    return tuple(dict.fromkeys((*map(str.casefold, own), *spoken)))
