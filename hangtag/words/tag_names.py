"""The words that name the tags of a schema: those that its thresholds list, and the parts of their values."""

from collections.abc import Iterable, Mapping

from hangtag.tags.naming import Naming
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import value_of

# A part of a value is a name of it: `batteries` of `batteries/chargers`.
_SEPARATORS = str.maketrans("/,()&", "|||||")
_SIBILANTS = ("s", "x", "z", "ch", "sh")
_LEAST_CHARS = 3


def tag_names(schema: TagSchema, words: Mapping[str, Iterable[str]]) -> Naming:
    """What names any tag of the schema; `words` are those of attribute facets.

    A value of several words is named by all of them together, in singular or plural. Only the lowest facet of a chain
    is named by its values: a segment or a family is a heading, and its words say less than a class does.
    """
    names = {tag: list(its_words) for tag, its_words in words.items()}
    headings = {facet.parent for facet in schema.facets}
    for facet in schema.facets:
        if facet.name not in headings:
            for tag in facet.tags:
                names.setdefault(tag, []).extend(_names_of(value_of(tag)))
    single = [facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE]
    return Naming(names, single)


def _names_of(value: str) -> list[str]:
    parts = (part.partition(" - ")[0].strip() for part in value.translate(_SEPARATORS).split("|"))
    return [form for part in parts if len(part) >= _LEAST_CHARS for form in forms(part)]


def forms(name: str) -> list[str]:
    """A name, and its other number in English: `watches` and `watch`."""
    return list(dict.fromkeys([name, _singular(name), _plural(_singular(name))]))


def _singular(name: str) -> str:
    if name.endswith("ies") and len(name) > len("ties"):
        return f"{name[:-3]}y"
    if name.endswith("es") and name[:-2].endswith(_SIBILANTS):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _plural(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in set("aeiou"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(_SIBILANTS) else f"{name}s"
