"""A facet's tags by what their AUTO thresholds rest on, and its promises by the number of products behind them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hangtag.tags.schema import Facet
from hangtag.trainer.judging.evaluate import Evaluation
from hangtag.trainer.judging.standing import Standing, TagStanding, how_many_more
from hangtag.trainer.judging.support import Support


@dataclass(frozen=True, slots=True)
class SupportRow:
    """The tags of a facet that `support` products have, of those that thresholds were set on.

    Of their AUTO tags on unseen shops (`served`) `wrong` are wrong. `is_auto`: the promise was shown, so they may be
    AUTO.
    """

    support: str
    tags: int
    served: int
    wrong: int
    is_auto: bool


@dataclass(frozen=True, slots=True)
class FacetPromises:
    """Where the tags of a facet stand: their numbers by standing, each tag's, and the table by support.

    `unseen_auto` is the number of tags that were never seen in validation and can be AUTO by a shared promise.
    """

    counts: Mapping[Standing, int]
    unseen_auto: int
    tags: Mapping[str, TagStanding]
    support: Sequence[SupportRow]

    @property
    def nearest(self) -> list[tuple[str, TagStanding]]:
        """The tags whose standing the fewest more products would change, without those that nobody has seen."""
        found = [(tag, each) for tag, each in self.tags.items() if each.more and each.standing is not Standing.UNSEEN]
        return sorted(found, key=lambda each: (each[1].more, each[0]))[:_NEAREST]

    def more(self, tag: str) -> str:
        """What would change a tag's standing, in a few words."""
        return how_many_more(self.tags[tag])


_NEAREST = 5


def promises_of(facet: Facet, promise: Mapping[str, Any], evaluation: Evaluation) -> FacetPromises:
    """A facet's promises from the manifest's `promise`."""
    tags = {tag: _standing(tag, facet, promise, evaluation) for tag in facet.tags}
    counts = Counter(each.standing for each in tags.values())
    return FacetPromises(
        {standing: counts[standing] for standing in Standing},
        sum(tag in promise["tags"] for tag, each in tags.items() if each.standing is Standing.UNSEEN),
        tags,
        list(_support_rows(promise.get("groups", {}).get(facet.name, {}))),
    )


def _standing(tag: str, facet: Facet, promise: Mapping[str, Any], evaluation: Evaluation) -> TagStanding:
    if tag in promise.get("standings", {}):
        return TagStanding.model_validate(promise["standings"][tag])
    # A bundle from before standings were recorded: how many more products it needs is not known.
    score = evaluation.facets[facet.name].tags.get(tag)
    support = score.support if score else 0
    kept = promise["tags"].get(tag)
    standing = Standing.NONE if kept is None else Standing.SHARED if kept["pooled"] else Standing.OWN
    return TagStanding(standing=standing if support else Standing.UNSEEN, products=support, more=None)


def _support_rows(groups: Mapping[str, Any]) -> Iterator[SupportRow]:
    for support in Support:
        if group := groups.get(support.value):
            yield SupportRow(support.value, group["tags"], group["served"], group["wrong"], group["auto"])
