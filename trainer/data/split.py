"""Labelled products split into parts to train on, to choose by and to test with."""

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
    """Shares of all products, and what must never stand on two sides: near duplicates, shops (see `groups_of`)."""

    validation: float = 0.15
    test: float = 0.0
    seed: int = 7
    duplicates: float = 0.8
    field: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """Places of the rows in each part, in the files' order, and the largest group that had to stay together."""

    settings: SplitSettings
    parts: Mapping[str, Sequence[int]]
    groups: int
    largest_group: int

    def report(self, rows: Sequence[LabelledRow]) -> dict[str, Any]:
        """What went where: products and tags of each part, and the tags that a part lacks."""
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
    """Split by the settings; the same rows and seed give the same parts.

    `on_step` is told what is done, how much of it, and how much there is.

    Raises:
        LabelledFileError: there is nothing to split, no row has what the settings keep apart, or too much of it has to
            stay together to leave something for every part.
    """
    if not rows:
        msg = "there is no labelled product to split"
        raise LabelledFileError(msg)
    # Pairs matter here only for what they join.
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
    done = Split(settings, parts, len(groups), max(map(len, groups)))
    empty = [name for name, places in parts.items() if shares[name] and not places]
    if empty:
        msg = (
            f"nothing is left for {empty[0]}: {len(rows):,} products are {done.groups:,} groups that must stay "
            f"together, the largest of {done.largest_group:,}; {_way_out(settings)}"
        )
        raise LabelledFileError(msg)
    return done


def _way_out(settings: SplitSettings) -> str:
    alike = f"raise --duplicates ({settings.duplicates:g})"
    apart = "keep something smaller apart with --disjoint, " if settings.field or settings.prefix else ""
    return f"{apart}{alike} or bring more products"
