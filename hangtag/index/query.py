"""Which products are asked for, by their tags."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from hangtag.index.errors import QueryError
from hangtag.tags.tag import facet_of
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

MAX_TAGS = 64
MAX_GROUPS = 16
MAX_GROUP_TAGS = 256
MAX_NAME = 256

_BANDS = {tags_pb2.BAND_UNSPECIFIED: Band.AUTO, tags_pb2.BAND_AUTO: Band.AUTO, tags_pb2.BAND_REVIEW: Band.REVIEW}


@dataclass(frozen=True, slots=True)
class Query:
    """All parts must hold; without any, all products are meant. Tags are written `facet:value`.

    Attributes:
        all_of: products that have all of these tags.
        any_of: products that have at least one tag of each group.
        none_of: products that have none of these tags, neither in AUTO nor in REVIEW.
        min_band: the band that tags of `all_of` and `any_of` must have; REVIEW: AUTO or REVIEW.
    """

    all_of: tuple[str, ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()
    none_of: tuple[str, ...] = ()
    min_band: Band = Band.AUTO

    @classmethod
    def of(cls, message: tags_pb2.TagQuery, field: str = "query") -> Self:
        """The query of a message, which is the field `field` of a request.

        Raises:
            QueryError: it has too many tags or groups, an empty group, a tag without facet or value, or a band that is
                neither AUTO nor REVIEW.
        """
        _limit(message.any_of, 0, MAX_GROUPS, f"{field}.any_of", "groups")
        if message.min_band not in _BANDS:
            msg = f"{field}.min_band must be BAND_AUTO or BAND_REVIEW, or not set"
            raise QueryError(msg)
        return cls(
            all_of=tag_names(message.all_of, f"{field}.all_of", 0, MAX_TAGS),
            any_of=tuple(
                tag_names(group.tags, f"{field}.any_of[{at}].tags", 1, MAX_GROUP_TAGS)
                for at, group in enumerate(message.any_of)
            ),
            none_of=tag_names(message.none_of, f"{field}.none_of", 0, MAX_GROUP_TAGS),
            min_band=_BANDS[message.min_band],
        )

    @property
    def is_empty(self) -> bool:
        """Whether it means all products."""
        return not (self.all_of or self.any_of or self.none_of)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The tags of `all_of` and `any_of`, each once."""
        return tuple(dict.fromkeys([*self.all_of, *(tag for group in self.any_of for tag in group)]))

    def without_facet(self, facet: str) -> Self:
        """The query without what it says about a facet. A group with tags of several facets is not about one."""
        return replace(
            self,
            all_of=tuple(tag for tag in self.all_of if facet_of(tag) != facet),
            any_of=tuple(group for group in self.any_of if any(facet_of(tag) != facet for tag in group)),
            none_of=tuple(tag for tag in self.none_of if facet_of(tag) != facet),
        )


def tag_names(
    names: Sequence[tags_pb2.TagName | tags_pb2.TagBoost], field: str, fewest: int, most: int
) -> tuple[str, ...]:
    """Tags of a request, each once.

    Raises:
        QueryError: there are too few or too many, or one has no facet or no value, or one that cannot exist.
    """
    _limit(names, fewest, most, field, "tags")
    for at, name in enumerate(names):
        if not name.facet or not name.value or ":" in name.facet or len(name.facet) + len(name.value) > MAX_NAME:
            msg = f"{field}[{at}] must have a facet, without a colon, and a value, of up to {MAX_NAME} characters"
            raise QueryError(msg)
    return tuple(dict.fromkeys(f"{name.facet}:{name.value}" for name in names))


def _limit(found: Sequence[object], fewest: int, most: int, field: str, what: str) -> None:
    if not fewest <= len(found) <= most:
        limits = f"at most {most}" if not fewest else f"{fewest} to {most}"
        msg = f"{field} has {len(found)} {what}, it must have {limits}"
        raise QueryError(msg)
