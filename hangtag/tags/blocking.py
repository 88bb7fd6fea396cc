"""What else cannot be served of a product once some of its tags are blocked."""

from collections.abc import Collection, Mapping

from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import Source


def without_blocked(
    auto: Mapping[str, Source], review: Mapping[str, Source], blocked: Collection[str], schema: TagSchema | None
) -> set[str]:
    """The tags of a stored product, AUTO and REVIEW, that go if `blocked` are not served any more.

    With a blocked tag goes what depends on it by the schema: tags whose only parent it is or whose facet applies only
    with it, tags that a rule added because of it, and tags that by a rule are never served without it. What a person
    decided goes only if it is blocked itself. Without a schema nothing depends on anything.
    """
    tags = {**review, **auto}
    gone = {tag for tag in tags if tag in blocked}
    while gone and schema is not None:
        served = auto.keys() - gone
        known = tags.keys() - gone
        lost = {
            tag
            for tag in known
            if tags[tag] is not Source.HUMAN
            and (
                _lost_support(tag, auto.keys(), served, schema)
                if tag in auto
                else _lost_support(tag, tags.keys(), known, schema)
            )
        }
        lost |= {
            tag
            for tag in served
            if tags[tag] is not Source.HUMAN and _breaks_a_rule(tag, tags[tag], gone, served, schema)
        }
        if not lost:
            break
        gone |= lost
    return gone


def _lost_support(tag: str, before: Collection[str], now: Collection[str], schema: TagSchema) -> bool:
    """A parent of the tag, or a tag that makes its facet apply, was there and none is left."""
    facet = next((facet for facet in schema.facets if facet.name == facet_of(tag)), None)
    needs = (schema.parents.get(tag, ()), () if facet is None else facet.applies_when)
    return any(any(each in before for each in those) and not any(each in now for each in those) for those in needs)


def _breaks_a_rule(tag: str, source: Source, gone: Collection[str], served: Collection[str], schema: TagSchema) -> bool:
    implies = [rule for rule in schema.rules if rule.kind == "implies"]
    causes = [rule.when for rule in implies if rule.then == tag]
    has_lost_its_cause = (
        source is Source.RULE and any(each in gone for each in causes) and not any(each in served for each in causes)
    )
    return has_lost_its_cause or any(rule.when == tag and rule.then in gone for rule in implies)
