"""The index as a dictionary: slow, and too simple to be wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hangtag.index import Query
from hangtag.store import Entry
from hangtag.tags.tag import facet_of, value_of
from hangtag.v1 import tags_pb2

WEIGHT_STEPS = 1_000_000


@dataclass
class Naive:
    """Products by id, each with its newest entry; deleted ones too."""

    entries: dict[str, Entry] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()

    def take(self, entries: Iterable[Entry]) -> None:
        """Keep the newest."""
        for entry in entries:
            known = self.entries.get(entry.product_id)
            if known is None or entry.rank >= known.rank:
                self.entries[entry.product_id] = entry

    def tags(self, product_id: str) -> dict[str, tags_pb2.Tag]:
        """The tags of a product that are not blocked."""
        message = tags_pb2.ProductTags.FromString(self.entries[product_id].payload)
        found = {f"{tag.facet}:{tag.value}": tag for tag in [*message.tags, *message.review]}
        return {name: tag for name, tag in found.items() if name not in self.blocked}

    def products(self) -> list[str]:
        """The ids of products that are not deleted."""
        return [product_id for product_id, entry in self.entries.items() if not entry.is_deletion]

    def hits(self, *queries: Query) -> set[str]:
        """The products for which all queries hold."""
        return {each for each in self.products() if all(self.holds(each, query) for query in queries)}

    def holds(self, product_id: str, query: Query) -> bool:
        """Whether a query holds for a product."""
        tags = self.tags(product_id)
        accepted = self.accepted(tags, query)
        return (
            accepted >= set(query.all_of)
            and all(accepted & set(group) for group in query.any_of)
            and not tags.keys() & set(query.none_of)
        )

    def accepted(self, tags: Mapping[str, tags_pb2.Tag], query: Query) -> set[str]:
        """The tags in a band that a query accepts."""
        bands = {tags_pb2.BAND_AUTO} if query.min_band == "AUTO" else {tags_pb2.BAND_AUTO, tags_pb2.BAND_REVIEW}
        return {name for name, tag in tags.items() if tag.band in bands}

    def score(self, product_id: str, weights: Mapping[str, int], query: Query) -> int:
        """The score of a product in steps."""
        tags = self.tags(product_id)
        return sum(round(tags[name].confidence * 1_000) * weights.get(name, 0) for name in self.accepted(tags, query))

    def counts(self, query: Query, base: Query, facets: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        """Counts per facet, as if the query did not filter by it."""
        found = {}
        for facet in facets:
            counted = Counter(
                value_of(name)
                for product_id in self.hits(query.without_facet(facet), base)
                for name in self.accepted(self.tags(product_id), query)
                if facet_of(name) == facet
            )
            found[facet] = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
        return found
