"""Which tags can be served at all."""

from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Thresholds


def can_be_auto(schema: TagSchema, thresholds: Thresholds) -> frozenset[str]:
    """The tags that some text can have in band AUTO.

    A tag needs a threshold that a confidence can reach, and a parent and a tag that makes its facet apply which can be
    AUTO themselves. Rules are not considered.
    """
    found: set[str] = set()
    for facet in schema.facets:  # parents and conditions stand earlier
        if facet.applies_when and found.isdisjoint(facet.applies_when):
            continue
        for tag in facet.tags:
            is_under_auto = facet.parent is None or not found.isdisjoint(schema.parents[tag])
            if is_under_auto and thresholds.tags[tag].auto <= 1 and tag not in schema.blocked:
                found.add(tag)
    return frozenset(found)
