"""The tag schema: facets, tags, parents, where a facet applies, rules and blocked tags."""

import hashlib
import json
import re
from collections.abc import Collection
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from hangtag.tags.about import About
from hangtag.tags.tag import facet_of, value_of

FacetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
TAG_PATTERN = re.compile(r"^[a-z][a-z0-9_]{0,39}:\S.{0,199}$")
_MAX_PATHS = 100_000
# Fields that only describe: no text gets other tags because of them.
DESCRIPTIVE = frozenset({"about", "sensitive"})


class SchemaError(ValueError):
    """The tag schema contradicts itself; the message names the facet, tag or rule."""


class FacetKind(StrEnum):
    """`single`: exactly one of the facet's tags fits. `multi`: any number fit."""

    SINGLE = "single"
    MULTI = "multi"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Facet(_Frozen):
    """A named group of tags.

    `applies_when` lists tags of single facets: the facet is predicted only for products that have one of them; empty
    means always. `parent` names the single facet above this one; the parents of this facet's tags are tags of it.
    """

    name: FacetName
    kind: FacetKind
    values: tuple[str, ...] = Field(min_length=1)
    parent: FacetName | None = None
    applies_when: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The facet's tags, `facet:value`, in score order."""
        return tuple(f"{self.name}:{value}" for value in self.values)


class Rule(_Frozen):
    """`implies`: where `when` is served, `then` is served too. `excludes`: where `when` is served, `then` is not."""

    kind: Literal["implies", "excludes"]
    when: str
    then: str


class TagSchema(_Frozen):
    """Every tag that a product can have. Scores are laid out facet after facet, in this order.

    `about` is what people are told about facets and tags, by name. `sensitive` are facets and tags that say something
    personal.
    """

    facets: tuple[Facet, ...] = Field(min_length=1)
    parents: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    blocked: tuple[str, ...] = ()
    about: dict[str, About] = Field(default_factory=dict)
    sensitive: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [facet.name for facet in self.facets]
        if len(set(names)) != len(names):
            msg = f"two facets share a name: {sorted(names)}"
            raise SchemaError(msg)
        for tag in self.tags:
            if not TAG_PATTERN.match(tag):
                msg = f"tag {tag!r} is not facet:value"
                raise SchemaError(msg)
        if len(set(self.tags)) != len(self.tags):
            repeated = sorted({tag for tag in self.tags if self.tags.count(tag) > 1})
            msg = f"tags listed twice: {repeated[:5]}"
            raise SchemaError(msg)
        self._check_references()
        self._check_descriptions()
        return self

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A schema that describes nothing is written as it was before it could.
        found: dict[str, Any] = handler(self)
        return {name: value for name, value in found.items() if value or name not in DESCRIPTIVE}

    def _check_references(self) -> None:
        known = set(self.tags)
        facets: dict[str, Facet] = {}
        for facet in self.facets:
            for tag in facet.applies_when:
                if tag not in known or facet_of(tag) not in facets:
                    msg = f"facet {facet.name}: applies_when: {tag!r} must be a tag of a facet listed earlier"
                    raise SchemaError(msg)
            self._check_parent(facet, facets)
            facets[facet.name] = facet
        self._check_parents(known, facets)
        for tag in (*self.blocked, *(end for rule in self.rules for end in (rule.when, rule.then))):
            if tag not in known:
                msg = f"rules and blocked tags: {tag!r} is not in the schema"
                raise SchemaError(msg)

    def _check_descriptions(self) -> None:
        facets = {facet.name for facet in self.facets}
        for name, about in self.about.items():
            if name not in facets and name not in set(self.tags):
                msg = f"about: {name!r} is neither a facet nor a tag of the schema"
                raise SchemaError(msg)
            if name in facets and (about.synonyms or about.examples or about.codes):
                msg = f"about facet {name}: only a label and a description; synonyms, examples and codes belong to tags"
                raise SchemaError(msg)
        for name in self.sensitive:
            if name not in facets and name not in set(self.tags):
                msg = f"sensitive: {name!r} is neither a facet nor a tag of the schema"
                raise SchemaError(msg)

    def _check_parent(self, facet: Facet, earlier: dict[str, Facet]) -> None:
        if facet.parent is None:
            return
        above = earlier.get(facet.parent)
        if above is None or FacetKind.MULTI in (above.kind, facet.kind):
            msg = (
                f"facet {facet.name}: parent {facet.parent!r} must be a single facet listed earlier, and {facet.name} "
                "must be single too"
            )
            raise SchemaError(msg)
        sibling = next((each.name for each in earlier.values() if each.parent == facet.parent), None)
        if sibling is not None:
            msg = f"facets {sibling} and {facet.name} both have the parent {facet.parent!r}: only one facet may have it"
            raise SchemaError(msg)
        for tag in facet.tags:
            if not self.parents.get(tag):
                msg = f"tag {tag}: its parent in {facet.parent!r} is missing"
                raise SchemaError(msg)

    def _check_parents(self, known: set[str], facets: dict[str, Facet]) -> None:
        for child, above_tags in self.parents.items():
            child_facet = facets.get(facet_of(child))
            if child not in known or child_facet is None or child_facet.parent is None:
                msg = f"parents: {child!r} is not a tag of a facet with a parent"
                raise SchemaError(msg)
            for tag in above_tags:
                if tag not in known or facet_of(tag) != child_facet.parent:
                    msg = f"parents of {child!r}: {tag!r} is not a tag of {child_facet.parent!r}"
                    raise SchemaError(msg)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Every tag, in score order."""
        return tuple(tag for facet in self.facets for tag in facet.tags)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each tag in the scores."""
        return {tag: position for position, tag in enumerate(self.tags)}

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The positions of each facet's tags in the scores."""
        result, start = {}, 0
        for facet in self.facets:
            result[facet.name] = slice(start, start + len(facet.values))
            start += len(facet.values)
        return result

    @cached_property
    def chains(self) -> tuple[tuple[Facet, ...], ...]:
        """The single facets in groups, each from a facet without a parent down to the lowest child."""
        by_parent = {facet.parent: facet for facet in self.facets if facet.parent}
        result = []
        for facet in self.facets:
            if facet.kind is FacetKind.SINGLE and facet.parent is None:
                chain = [facet]
                while chain[-1].name in by_parent:
                    chain.append(by_parent[chain[-1].name])
                result.append(tuple(chain))
        return tuple(result)

    @cached_property
    def sensitive_tags(self) -> frozenset[str]:
        """Tags that say something personal: those of `sensitive`, and those that tell that a product has one of them.

        The latter are tags below one, tags that imply one, and tags of facets that apply only with such tags.
        """
        found = {tag for tag in self.tags if tag in self.sensitive or facet_of(tag) in self.sensitive}
        implied = [(rule.when, rule.then) for rule in self.rules if rule.kind == "implies"]
        count = -1
        while count < len(found):
            count = len(found)
            found |= {tag for tag, above in self.parents.items() if found & set(above)}
            found |= {when for when, then in implied if then in found}
            for facet in self.facets:
                if facet.applies_when and found.issuperset(facet.applies_when):
                    found.update(facet.tags)
        return frozenset(found)

    def label(self, name: str) -> str:
        """What people are shown for a facet or a tag: its label; without one the facet's name, or the tag's value."""
        about = self.about.get(name)
        return (about.label if about is not None else "") or value_of(name) or name

    def paths(self, chain: tuple[Facet, ...]) -> list[tuple[int, ...]]:
        """Every path down a chain as score positions: one tag per facet, each a child of the one before, none blocked.

        Raises:
            SchemaError: there are more than 100,000.
        """
        blocked = set(self.blocked)
        paths: list[tuple[str, ...]] = [(tag,) for tag in chain[0].tags if tag not in blocked]
        for facet in chain[1:]:
            children: dict[str, list[str]] = {}
            for tag in facet.tags:
                for above in self.parents[tag] if tag not in blocked else ():
                    children.setdefault(above, []).append(tag)
            paths = [(*path, tag) for path in paths for tag in children.get(path[-1], ())]
            if len(paths) > _MAX_PATHS:
                msg = f"facets {[f.name for f in chain]}: more than {_MAX_PATHS} paths"
                raise SchemaError(msg)
        return [tuple(self.index[tag] for tag in path) for path in paths]

    def with_blocked(self, tags: Collection[str]) -> Self:
        """The same schema, in which these tags are blocked too; tags that it does not have are left out."""
        added = sorted({tag for tag in tags if tag in self.index}.difference(self.blocked))
        if not added:
            return self
        return type(self).model_validate({**self.model_dump(), "blocked": (*self.blocked, *added)})

    def to_json(self) -> str:
        """Canonical JSON: the same schema always gives the same text."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1) + "\n"

    @cached_property
    def content_hash(self) -> str:
        """sha256 of the canonical JSON, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
