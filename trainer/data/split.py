"""Splitting labelled products into training, validation and test parts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hangtag.trainer.data.duplicates import find_duplicates
from hangtag.trainer.data.groups import groups_of
from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow
from hangtag.trainer.data.stratify import stratified


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """The parts' shares of all products (0 to 1), and what must stay in one part.

    `duplicates` is the similarity from which texts are near duplicates; for `field` and `prefix` see `groups_of`.
    """

    validation: float = 0.15
    test: float = 0.0
    seed: int = 7
    duplicates: float = 0.8
    field: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """The places of the rows in each part, in file order; the number of groups and the size of the largest group."""

    settings: SplitSettings
    parts: Mapping[str, Sequence[int]]
    groups: int
    largest_group: int

    def report(self, rows: Sequence[LabelledRow]) -> dict[str, Any]:
        """The products and tags of each part, and the tags that a part lacks, as JSON."""
        tags = {
            name: Counter(tag for at in places for tag in rows[at].product.tags) for name, places in self.parts.items()
        }
        every = sorted(set().union(*tags.values()))
        return {
            "settings": asdict(self.settings),
            "groups": self.groups,
            "largest_group": self.largest_group,
            "products": {name: len(places) for name, places in self.parts.items()},
            "tags": {tag: {name: counts[tag] for name, counts in tags.items()} for tag in every},
            "missing": {name: [tag for tag in every if not counts[tag]] for name, counts in tags.items()},
        }


def split(
    rows: Sequence[LabelledRow], settings: SplitSettings, on_step: Callable[[str, int, int], None] = lambda *_: None
) -> Split:
    """Split rows by the settings; the same rows and settings give the same parts.

    `on_step` is called with the current step's name, how much of it is done, and its total.

    Raises:
        LabelledFileError: there are no rows, no row has the field or prefix to keep apart, or the groups are too large
            to leave products for every part.
    """
    if not rows:
        msg = "there is no labelled product to split"
        raise LabelledFileError(msg)
    # Only the connected groups matter here, so no more pairs than necessary are collected.
    duplicates = find_duplicates([row.product.text for row in rows], settings.duplicates, on_step, most=0)
    groups = groups_of(rows, duplicates, settings.field, settings.prefix)
    shares = {
        "train": 1 - settings.validation - settings.test,
        "validation": settings.validation,
        **({"test": settings.test} if settings.test else {}),
    }
    part_of = stratified(groups, [row.product.tags for row in rows], list(shares.values()), settings.seed)
    parts = {
        name: sorted(at for group, its_part in zip(groups, part_of, strict=True) if its_part == part for at in group)
        for part, name in enumerate(shares)
    }
    result = Split(settings, parts, len(groups), max(map(len, groups)))
    empty = [name for name, places in parts.items() if shares[name] and not places]
    if empty:
        msg = (
            f"no products are left for {empty[0]}: {len(rows):,} products form {result.groups:,} groups that must stay "
            f"together, the largest of {result.largest_group:,}; {_advice(settings)}"
        )
        raise LabelledFileError(msg)
    return result


def _advice(settings: SplitSettings) -> str:
    duplicates = f"raise --duplicates ({settings.duplicates:g})"
    disjoint = "choose a --disjoint that makes smaller groups, " if settings.field or settings.prefix else ""
    return f"{disjoint}{duplicates} or add products"
