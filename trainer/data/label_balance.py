"""Label balance: how often each tag is labelled."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hangtag.trainer.data.labelled import LabelledProduct


@dataclass(frozen=True, slots=True)
class FacetBalance:
    """The counts of a facet's labels.

    `labelled` is the number of products labelled for the facet, `none` and `several` those with no tag and with more
    than one; `tags` has the number of products per tag. A single product with several tags makes a facet `multi`,
    unless the recipe sets its kind.
    """

    labelled: int
    none: int
    several: int
    tags: Mapping[str, int]

    @property
    def largest_share(self) -> float:
        """The most frequent tag's share of all the facet's labels, 0 to 1."""
        return max(self.tags.values()) / sum(self.tags.values()) if self.tags else 0.0

    @property
    def evenness(self) -> float:
        """Pielou's evenness (1966): the tags' Shannon entropy over its maximum; 1 if all are equally frequent."""
        total = sum(self.tags.values())
        if len(self.tags) < 2:  # noqa: PLR2004 (a single tag has no balance)
            return 1.0
        entropy = -sum(count / total * math.log(count / total) for count in self.tags.values())
        return entropy / math.log(len(self.tags))

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {**asdict(self), "largest_share": self.largest_share, "evenness": self.evenness}


def balance_of(products: Iterable[LabelledProduct]) -> dict[str, FacetBalance]:
    """The balance of each facet that a product is labelled for, by name."""
    tags: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for product in products:
        for facet in product.facets:
            its_tags = product.tags_of(facet)
            tags[facet].update(sorted(its_tags))
            sizes[facet][min(len(its_tags), 2)] += 1
    return {
        facet: FacetBalance(
            sum(sizes[facet].values()), sizes[facet][0], sizes[facet][2], dict(tags[facet].most_common())
        )
        for facet in sorted(sizes)
    }


def rare_tags(balance: Mapping[str, FacetBalance], min_examples: int) -> dict[str, int]:
    """The tags with fewer than `min_examples` examples and their counts, the rarest first."""
    counts = {tag: count for facet in balance.values() for tag, count in facet.tags.items() if count < min_examples}
    return dict(sorted(counts.items(), key=lambda item: (item[1], item[0])))


def look_alikes(balance: Mapping[str, FacetBalance]) -> list[list[str]]:
    """Groups of tags that differ only in case and spaces, and probably mean the same."""
    groups: dict[str, list[str]] = defaultdict(list)
    for facet in balance.values():
        for tag in facet.tags:
            groups["".join(tag.casefold().split())].append(tag)
    return [sorted(tags) for tags in groups.values() if len(tags) > 1]
