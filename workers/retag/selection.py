"""Which stored products a re-tag is for: `hangtag retag --only`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hangtag.store import Entry
from hangtag.tags.tag import facet_of, value_of
from hangtag.v1 import tags_pb2

_PREFIX = re.compile("[0-9a-f]{4,16}")
_BAND, _BUNDLE = "band", "bundle"


class SelectionError(ValueError):
    """A part of the selection cannot be understood; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Products that are in all of these parts; without a part, all products.

    Attributes:
        facets: a tag of each of these facets is stored, to use or for review.
        tags: each of these tags is stored, to use or for review.
        has_review: tags are stored for review.
        bundle: the tags are of a bundle whose version (hex) begins with it.
    """

    facets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    has_review: bool = False
    bundle: str = ""

    @classmethod
    def of(cls, parts: Sequence[str]) -> Self:
        """Read `color`, `color:red`, `band:review` and `bundle:PREFIX`.

        Raises:
            SelectionError: a part is none of these.
        """
        facets, tags, has_review, bundle = [], [], False, ""
        for part in parts:
            name, value = facet_of(part), value_of(part)
            if name == _BAND:
                if value != "review":
                    msg = f"--only {part}: the band can only be review; write --only band:review"
                    raise SelectionError(msg)
                has_review = True
            elif name == _BUNDLE:
                if not _PREFIX.fullmatch(value) or bundle not in ("", value):
                    msg = f"--only {part}: give one bundle by the first 4 to 16 hex digits of its version"
                    raise SelectionError(msg)
                bundle = value
            elif not name or (":" in part and not value):
                msg = f"--only {part!r}: write a facet, a tag such as color:red, band:review or bundle:PREFIX"
                raise SelectionError(msg)
            elif value:
                tags.append(part)
            else:
                facets.append(part)
        return cls(tuple(facets), tuple(tags), has_review, bundle)

    def has(self, entry: Entry) -> bool:
        """True if the tags of a product belong to the selection."""
        if self.bundle and not entry.bundle_prefix.hex().startswith(self.bundle):
            return False
        if not (self.facets or self.tags or self.has_review):
            return True
        message = tags_pb2.ProductTags.FromString(entry.payload)
        if self.has_review and not message.review:
            return False
        stored = [*message.tags, *message.review]
        facets, tags = {each.facet for each in stored}, {f"{each.facet}:{each.value}" for each in stored}
        return facets.issuperset(self.facets) and tags.issuperset(self.tags)
