"""The facets and values that a filter may name."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from hangtag.filters.errors import fail, shortened
from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import value_of

_NEAREST = 3
_CUTOFF = 0.6


class Vocabulary:
    """The facets and values of a tag schema, and what to suggest for a name that it does not have."""

    def __init__(self, values: Mapping[str, Iterable[str]], other_words: Mapping[str, Mapping[str, str]]) -> None:
        """`other_words` has a value for each label or synonym in lower case, by facet; they are only suggested."""
        self._values = {facet: frozenset(its) for facet, its in values.items()}
        self._other_words = other_words

    @classmethod
    def of(cls, schema: TagSchema) -> "Vocabulary":
        """That of a schema."""
        other_words: dict[str, dict[str, str]] = {facet.name: {} for facet in schema.facets}
        for facet in schema.facets:
            for tag in facet.tags:
                about = schema.about.get(tag)
                for word in () if about is None else (about.label, *about.synonyms):
                    other_words[facet.name].setdefault(word.casefold(), value_of(tag))
        return cls({facet.name: facet.values for facet in schema.facets}, other_words)

    def check_facet(self, facet: str, at: int) -> None:
        """Check a facet, which is written at an index.

        Raises:
            FilterError: there is no such facet; the message has the nearest ones.
        """
        if facet in self._values:
            return
        near = get_close_matches(facet.casefold(), self._values, _NEAREST, _CUTOFF)
        known = f"did you mean {_or(near)}?" if near else f"the facets are {', '.join(self._values)}"
        fail(f"there is no facet {_shown(facet)}; {known}", at)

    def check_value(self, facet: str, value: str, at: int) -> None:
        """Check a value of a facet that there is.

        Raises:
            FilterError: the facet has no such value; the message has the nearest ones.
        """
        values = self._values[facet]
        if value in values:
            return
        word, others = value.casefold(), self._other_words.get(facet, {})
        if (meant := others.get(word)) is not None:
            chosen = [meant]
        else:
            spelled = {each.casefold(): each for each in values}
            near = [spelled[each] for each in get_close_matches(word, spelled, _NEAREST, _CUTOFF)]
            near += [each for each in sorted(values) if word in each.casefold().replace("/", " ").split()]
            chosen = list(dict.fromkeys(near))[:_NEAREST]
        hint = f"did you mean {_or(chosen)}?" if chosen else "`hangtag taglist` shows its values"
        fail(f"{facet} has no value {_shown(value)}; {hint}", at)


def _or(names: list[str]) -> str:
    return " or ".join(_shown(name) for name in names)


def _shown(name: str) -> str:
    return repr(shortened(name))
