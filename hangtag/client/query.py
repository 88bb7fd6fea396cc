"""Which products are meant, by their tags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hangtag.client.errors import SettingError
from hangtag.v1 import tags_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Products by tags, each written `facet:value`. Everything given must hold; an empty query means all products.

    Attributes:
        all_of: products that have all of these tags.
        any_of: products that have at least one tag of each group.
        none_of: products that have none of these tags.
        review: tags in band REVIEW count too.
    """

    all_of: Sequence[str] = ()
    any_of: Sequence[Sequence[str]] = ()
    none_of: Sequence[str] = ()
    review: bool = False

    def __post_init__(self) -> None:
        self.message()

    def message(self) -> tags_pb2.TagQuery:
        """As the server wants it."""
        return tags_pb2.TagQuery(
            all_of=_names("all_of", self.all_of),
            any_of=[tags_pb2.TagGroup(tags=_names("any_of", group)) for group in self.any_of],
            none_of=_names("none_of", self.none_of),
            min_band=tags_pb2.BAND_REVIEW if self.review else tags_pb2.BAND_UNSPECIFIED,
        )


def boosts_of(boosts: Mapping[str, float]) -> list[tags_pb2.TagBoost]:
    """Weights by tag as messages."""
    return [
        tags_pb2.TagBoost(facet=name.facet, value=name.value, weight=weight)
        for name, weight in zip(_names("boosts", boosts), boosts.values(), strict=True)
    ]


def _names(field: str, tags: Iterable[str]) -> list[tags_pb2.TagName]:
    if isinstance(tags, str):
        msg = f"{field} has {tags!r} where a list of tags belongs; write [{tags!r}]"
        raise SettingError(msg)
    found = []
    for tag in tags:
        facet, colon, value = tag.partition(":")
        if not (facet and colon and value):
            msg = f"{field}: {tag!r} is not a tag; write facet:value, for example color:red"
            raise SettingError(msg)
        found.append(tags_pb2.TagName(facet=facet, value=value))
    return found


EVERYTHING = Query()
NO_BOOSTS: Mapping[str, float] = MappingProxyType({})
