"""What there is if a part of a query without hits is dropped."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from hangtag.index.query import Query
from hangtag.index.view import View
from hangtag.tags.tag import facet_of, value_of
from hangtag.v1 import tags_pb2

_MOST = 5
# Of more parts, only single ones are dropped, and at last all of them.
_MOST_PARTS = 12


class _Part(NamedTuple):
    """A tag or a group of a query: which field, and its place there."""

    field: str
    at: int
    tags: tuple[str, ...]


def relaxations(view: View, query: Query, base: Query) -> list[tags_pb2.Relaxation]:
    """The nearest queries with hits: those that drop the fewest parts, and of these the ones with the most products."""
    parts = _parts(query)
    for dropped in _choices(parts):
        found = [(len(view.hits(_without(query, some), base)), some) for some in dropped]
        found = sorted((each for each in found if each[0]), key=lambda each: -each[0])
        if found:
            return [_relaxation(products, some) for products, some in found[:_MOST]]
    return []


def _parts(query: Query) -> list[_Part]:
    return [
        *(_Part("all_of", at, (tag,)) for at, tag in enumerate(query.all_of)),
        *(_Part("any_of", at, tags) for at, tags in enumerate(query.any_of)),
        *(_Part("none_of", at, (tag,)) for at, tag in enumerate(query.none_of)),
    ]


def _choices(parts: list[_Part]) -> Iterator[list[tuple[_Part, ...]]]:
    """What to drop: one part, then two, and at last everything."""
    yield [(part,) for part in parts]
    pairs: list[tuple[_Part, ...]] = list(combinations(parts, 2)) if len(parts) <= _MOST_PARTS else []
    if len(pairs) > 1:
        yield pairs
    if len(parts) > 1:
        yield [tuple(parts)]


def _without(query: Query, dropped: Sequence[_Part]) -> Query:
    gone = {(part.field, part.at) for part in dropped}

    def left(field: str) -> tuple[int, ...]:
        return tuple(at for at in range(len(getattr(query, field))) if (field, at) not in gone)

    return replace(
        query,
        all_of=tuple(query.all_of[at] for at in left("all_of")),
        any_of=tuple(query.any_of[at] for at in left("any_of")),
        none_of=tuple(query.none_of[at] for at in left("none_of")),
    )


def _relaxation(products: int, dropped: Sequence[_Part]) -> tags_pb2.Relaxation:
    names = [tags_pb2.TagName(facet=facet_of(tag), value=value_of(tag)) for part in dropped for tag in part.tags]
    return tags_pb2.Relaxation(without=names, products=products)
