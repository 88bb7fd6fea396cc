"""The tags to learn, and their place in the tag schema."""

from dataclasses import dataclass

from hangtag.tags.schema import TAG_PATTERN, Facet, FacetKind, TagSchema
from hangtag.trainer.errors import TrainerError


class LearnTagError(TrainerError):
    """The tags cannot be learnt; the message says why."""


@dataclass(frozen=True, slots=True)
class NewTags:
    """One or more values of a facet, and their parent tag if the facet has a parent.

    `kind` is needed for a facet that the bundle lacks, and only there. `is_guess`: the examples are a tag's name and a
    description instead of products.
    """

    facet: str
    values: tuple[str, ...]
    kind: FacetKind | None = None
    parent: str = ""
    is_guess: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """`facet:value`, one for each value."""
        return tuple(f"{self.facet}:{value}" for value in self.values)

    def added_to(self, schema: TagSchema) -> TagSchema:
        """The schema with these tags, the last ones of their facet.

        Raises:
            LearnTagError: a tag exists already or is not valid, its parent is missing, or the facet's kind is unknown,
                contradicts the schema's, or needs more values.
        """
        self._check(schema)
        known = {facet.name: facet for facet in schema.facets}
        facet = known.get(self.facet)
        if facet is None:
            facet = Facet(name=self.facet, kind=self._kind_of_new(), values=self.values)
        else:
            facet = facet.model_copy(update={"values": (*facet.values, *self.values)})
        facets = tuple(facet if each.name == self.facet else each for each in schema.facets)
        above = dict.fromkeys(self.tags, (self.parent,)) if self.parent else {}
        return TagSchema(
            facets=facets if self.facet in known else (*facets, facet),
            parents={**schema.parents, **above},
            **schema.model_dump(exclude={"facets", "parents"}),
        )

    def _check(self, schema: TagSchema) -> None:
        for tag in self.tags:
            if not TAG_PATTERN.fullmatch(tag):
                msg = f"{tag!r} is not facet:value"
                raise LearnTagError(msg)
            if tag in schema.index:
                msg = f"the bundle already has {tag}"
                raise LearnTagError(msg)
        known = {facet.name: facet for facet in schema.facets}
        facet = known.get(self.facet)
        if facet is not None and self.kind not in {None, facet.kind}:
            msg = f"facet {self.facet!r} is {facet.kind.value} in the bundle: leave out --facet-kind"
            raise LearnTagError(msg)
        parent = facet.parent if facet else None
        if parent and self.parent not in schema.tags[schema.slices[parent]]:
            msg = f"{', '.join(self.tags)} needs a parent tag in facet {parent!r}: add --parent {parent}:..."
            raise LearnTagError(msg)
        if self.parent and not parent:
            msg = f"facet {self.facet!r} has no parent: leave out --parent"
            raise LearnTagError(msg)

    def _kind_of_new(self) -> FacetKind:
        if self.kind is None:
            msg = (
                f"the bundle has no facet {self.facet!r}: say with --facet-kind multi that any number of its tags fit "
                "a product, or with --facet-kind single that exactly one does"
            )
            raise LearnTagError(msg)
        if self.kind is FacetKind.SINGLE and len(self.values) == 1:
            msg = (
                f"the new facet {self.facet!r} needs two values to be single, since exactly one fits a product: "
                f"give {self.facet} instead of {self.tags[0]}, with examples that are labelled with its values, or "
                "--facet-kind multi"
            )
            raise LearnTagError(msg)
        return self.kind
