"""What people decided about the tags of a product, applied to what a model predicts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band


@dataclass(frozen=True, slots=True)
class Decision:
    """A person found that a tag (`facet:value`) fits a product, or that it does not."""

    tag: str
    is_accepted: bool


def apply_decisions(tags: TagSet, decisions: Sequence[Decision], schema: TagSchema | None) -> TagSet:
    """Serve every accepted tag and no rejected one; later decisions about a tag replace earlier ones.

    An accepted tag of a single facet takes the place of the facet's predicted tags; one that the schema blocks or does
    not have is not served. Predicted tags are dropped if their parent is no longer served or a served tag excludes them
    by a rule. Without a schema only decided tags change.
    """
    verdicts = {decision.tag: decision.is_accepted for decision in decisions}
    blocked = () if schema is None else schema.blocked
    accepted = {
        tag: ScoredTag(tag, 1.0, Source.HUMAN, Band.AUTO)
        for tag, is_accepted in verdicts.items()
        if is_accepted and tag not in blocked and (schema is None or tag in schema.index)
    }
    facets = () if schema is None else schema.facets
    singles = {facet.name for facet in facets if facet.kind is FacetKind.SINGLE}
    decided = {facet_of(tag) for tag in accepted} & singles

    def keep(predicted: Sequence[ScoredTag]) -> list[ScoredTag]:
        return [each for each in predicted if each.tag not in verdicts and facet_of(each.tag) not in decided]

    served, review = [*accepted.values(), *keep(tags.tags)], keep(tags.review)
    if schema is not None:
        served, review = _without_contradictions(served, review, schema)
    order = {facet.name: place for place, facet in enumerate(facets)}

    def position(each: ScoredTag) -> tuple[int, float, str]:
        return order.get(facet_of(each.tag), len(order)), -each.confidence, each.tag

    return replace(tags, tags=tuple(sorted(served, key=position)), review=tuple(sorted(review, key=position)))


def _without_contradictions(
    served: list[ScoredTag], review: list[ScoredTag], schema: TagSchema
) -> tuple[list[ScoredTag], list[ScoredTag]]:
    while True:
        names = {each.tag for each in served}
        known = names | {each.tag for each in review}
        excluded = {rule.then for rule in schema.rules if rule.kind == "excludes" and rule.when in names}
        wrong = {
            each.tag
            for each, above in [*((each, names) for each in served), *((each, known) for each in review)]
            if each.source is not Source.HUMAN
            and (each.tag in excluded or (schema.parents.get(each.tag) and not above & set(schema.parents[each.tag])))
        }
        if not wrong:
            return served, review
        served = [each for each in served if each.tag not in wrong]
        review = [each for each in review if each.tag not in wrong]
