"""Which products a query means."""

from collections.abc import Callable, Iterator, Sequence

from pyroaring import BitMap

from hangtag.index.postings import NONE
from hangtag.index.query import Query
from hangtag.tags.thresholds import Band

EVERYTHING = Query()

# The tags of which a product has at least one, and the band.
_Part = tuple[tuple[str, ...], Band]


class Filters:
    """The products of queries that have parts in common, as one request asks for: each set is made once.

    One thread uses it.
    """

    def __init__(self, products: BitMap, postings: Callable[[str, Band], BitMap]) -> None:
        """All products, and those that have a tag in a band or a better one."""
        self._products = products
        self._postings = postings
        self._having: dict[_Part, BitMap] = {}
        self._having_all: dict[tuple[_Part, ...], BitMap] = {}

    def hits(self, query: Query, base: Query = EVERYTHING) -> BitMap:
        """The products for which both hold."""
        # Those that have the rarest come first: what is left is small, and is the beginning of other queries too.
        parts = sorted(dict.fromkeys([*_parts(query), *_parts(base)]), key=lambda part: len(self._of(part)))
        found = self._all_of(tuple(parts)) if parts else self._products
        for tag in dict.fromkeys([*query.none_of, *base.none_of]):
            found = found - self._of(((tag,), Band.REVIEW))
        return found

    def _all_of(self, parts: tuple[_Part, ...]) -> BitMap:
        if len(parts) == 1:
            return self._of(parts[0])
        found = self._having_all.get(parts)
        if found is None:
            found = self._having_all[parts] = self._all_of(parts[:-1]) & self._of(parts[-1])
        return found

    def _of(self, part: _Part) -> BitMap:
        found = self._having.get(part)
        if found is None:
            tags, band = part
            found = self._having[part] = _union([self._postings(tag, band) for tag in tags])
        return found


def _parts(query: Query) -> Iterator[_Part]:
    for tags in (*((tag,) for tag in query.all_of), *query.any_of):
        yield tags, query.min_band


def _union(sets: Sequence[BitMap]) -> BitMap:
    return sets[0] if len(sets) == 1 else NONE.union(*sets)
