"""What a set of tags must not break, found with the schema alone, without the decoder's own checks."""

from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import Source, TagSet
from hangtag.tags.thresholds import Band


def names(scored) -> list[str]:
    """The tags alone."""
    return [each.tag for each in scored]


def violations(schema: TagSchema, tags: TagSet) -> list[str]:
    """Every rule of the schema that these tags break; none if they are in order."""
    auto, known = set(names(tags.tags)), set(names(tags.tags)) | set(names(tags.review))
    found = [f"unknown {each}" for each in known - set(schema.tags)]
    found += [f"blocked {each}" for each in known & set(schema.blocked)]
    found += [f"band {each}" for each in (*tags.tags, *tags.review) if not 0 <= each.confidence <= 1]
    found += [f"band {each}" for each in tags.tags if each.band is not Band.AUTO]
    for served in (auto, known):
        for facet in schema.facets:
            of_facet = [each for each in served if each.startswith(f"{facet.name}:")]
            if facet.kind == "single" and len(of_facet) > 1:
                found.append(f"two of {facet.name}")
            if of_facet and facet.applies_when and not served & set(facet.applies_when):
                found.append(f"{facet.name} does not apply")
            if facet.parent:
                found += [f"orphan {each}" for each in of_facet if not served & set(schema.parents[each])]
    return found + rule_violations(schema, tags, known)


def rule_violations(schema: TagSchema, tags: TagSet, known: set[str]) -> list[str]:
    auto, found = set(names(tags.tags)), []
    for each in schema.rules:
        if each.kind == "implies" and each.when in auto and each.then not in auto:
            found.append(f"{each.when} without {each.then}")
        if each.kind == "excludes" and each.when in auto and each.then in known:
            found.append(f"{each.when} with {each.then}")
    for served in tags.tags:
        causes = {rule.when for rule in schema.rules if rule.kind == "implies" and rule.then == served.tag}
        # It may have replaced a cause in its own single facet.
        renamed = facet_of(served.tag) != "genre" and facet_of(served.tag) in map(facet_of, causes)
        if served.source is Source.RULE and not renamed and not causes & auto:
            found.append(f"{served.tag} without a cause")
    return found
