"""How the tags of a text are used in a search.

Tags that the text has a word for are filters: one of a facet must be there, of several one is enough. Tags that are
inferred rank, weighted by how sure they are; of an attribute such as the color only one that is more likely right than
wrong. Tags that the text does not want are excluded. A filter for a facet makes filters for the facets above it
unnecessary: boots are footwear.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hangtag.tags.schema import TagSchema
from hangtag.v1 import tags_pb2

# Of an attribute that the text does not name.
_LIKELY = 0.5

FILTERED, RANKED, EXCLUDED = tags_pb2.TAG_USE_FILTERED, tags_pb2.TAG_USE_RANKED, tags_pb2.TAG_USE_EXCLUDED


@dataclass(frozen=True, slots=True)
class Understood:
    """The query that a text stands for; `used` are its tags and how each is used.

    `things` are the inferred tags that say what is meant, rather than what it is like.
    """

    query: tags_pb2.TagQuery = field(default_factory=tags_pb2.TagQuery)
    things: tuple[tags_pb2.TagName, ...] = ()
    boosts: tuple[tags_pb2.TagBoost, ...] = ()
    used: tuple[tags_pb2.UsedTag, ...] = ()
    no_tags_reason: "tags_pb2.NoTagsReason.ValueType" = tags_pb2.NO_TAGS_REASON_UNSPECIFIED

    @property
    def says_something(self) -> bool:
        """False if the text has no tag that could be used."""
        return bool(self.used)


def understand(
    suggested: tags_pb2.SuggestTagsResponse, above: Mapping[str, frozenset[str]], attributes: Collection[str] = ()
) -> Understood:
    """How the tags of a text are used.

    `above` has the facets above each facet (`facets_above`); `attributes` are the facets of attributes.
    """
    tags = [
        tag
        for tag in (*suggested.tags, *suggested.review)
        if tag.is_named or tag.facet not in attributes or tag.confidence >= _LIKELY
    ]
    named: dict[str, list[tags_pb2.Tag]] = {}
    for tag in tags:
        if tag.is_named:
            named.setdefault(tag.facet, []).append(tag)
    implied = frozenset().union(*(above.get(facet, frozenset()) for facet in named))
    query = tags_pb2.TagQuery(none_of=suggested.none_of)
    for facet, its_tags in named.items():
        if facet in implied:
            continue
        names = [tags_pb2.TagName(facet=tag.facet, value=tag.value) for tag in its_tags]
        if len(names) == 1:
            query.all_of.extend(names)
        else:
            query.any_of.add(tags=names)
    used, boosts = [], []
    for tag in tags:
        is_filter = tag.is_named and tag.facet not in implied
        used.append(tags_pb2.UsedTag(tag=tag, use=FILTERED if is_filter else RANKED))
        if not is_filter:
            boosts.append(tags_pb2.TagBoost(facet=tag.facet, value=tag.value, weight=tag.confidence))
    used += [
        tags_pb2.UsedTag(tag=tags_pb2.Tag(facet=name.facet, value=name.value), use=EXCLUDED)
        for name in suggested.none_of
    ]
    reason = tags_pb2.NO_TAGS_REASON_UNSPECIFIED
    if not used:
        reason = suggested.no_tags_reason or tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
    names = [tags_pb2.TagName(facet=each.facet, value=each.value) for each in boosts]
    things = [name for name in names if name.facet not in attributes] or names
    return Understood(query, tuple(things), tuple(boosts), tuple(used), reason)


def narrowed(understood: Understood, given: tags_pb2.TagQuery) -> tags_pb2.TagQuery:
    """What a person chose and what a text stands for, together.

    A text with nothing but inferred tags, and nothing chosen beside it, stands for the products that have at least one
    of those that say what is meant.
    """
    query = tags_pb2.TagQuery()
    query.CopyFrom(given)
    asked = understood.query
    query.all_of.extend(tag for tag in asked.all_of if tag not in given.all_of)
    query.any_of.extend(group for group in asked.any_of if group not in given.any_of)
    query.none_of.extend(tag for tag in asked.none_of if tag not in given.none_of)
    if understood.things and not (query.all_of or query.any_of):
        query.any_of.add(tags=understood.things)
    return query


def facets_above(schema: TagSchema) -> dict[str, frozenset[str]]:
    """The facets above each facet: of `class` these are `family` and `segment`."""
    found: dict[str, frozenset[str]] = {}
    for facet in schema.facets:  # a parent stands before its children
        found[facet.name] = frozenset() if facet.parent is None else found[facet.parent] | {facet.parent}
    return found
