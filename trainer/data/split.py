"""Splitting labelled products into training, validation and test parts."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.data.duplicates import find_duplicates
from hangtag.trainer.data.groups import groups_of
from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow
from hangtag.trainer.data.parts import parts_of
from hangtag.trainer.data.views import Texts


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
    """The part of each row, as a number in the order of `names`, and the groups: how many, and the largest one's size.

    `part_of` has the shape (rows,).
    """

    settings: SplitSettings
    names: Sequence[str]
    part_of: NDArray[np.int8]
    groups: int
    largest_group: int

    @property
    def parts(self) -> dict[str, list[int]]:
        """The places of the rows in each part, in file order."""
        return {name: np.flatnonzero(self.part_of == part).tolist() for part, name in enumerate(self.names)}

    @property
    def sizes(self) -> dict[str, int]:
        """The number of rows in each part."""
        return {name: int((self.part_of == part).sum()) for part, name in enumerate(self.names)}

    def report(self, rows: Iterable[LabelledRow]) -> dict[str, Any]:
        """The products and tags of each part, and the tags that a part lacks, as JSON."""
        counts: list[Counter[str]] = [Counter() for _ in self.names]
        for row, part in zip(rows, self.part_of, strict=True):
            counts[part].update(row.product.tags)
        tags = dict(zip(self.names, counts, strict=True))
        every = sorted(set().union(*tags.values()))
        return {
            "settings": asdict(self.settings),
            "groups": self.groups,
            "largest_group": self.largest_group,
            "products": self.sizes,
            "tags": {tag: {name: counts[tag] for name, counts in tags.items()} for tag in every},
            "missing": {name: [tag for tag in every if not counts[tag]] for name, counts in tags.items()},
        }


def split(
    rows: Sequence[LabelledRow], settings: SplitSettings, on_step: Callable[[str, int, int], None] = lambda *_: None
) -> Split:
    """Split rows by the settings; the same rows and settings give the same parts.

    The rows are read in order, several times. In memory are some 20 bytes a row; for the tags see `parts_of`.

    `on_step` is called with the current step's name, how much of it is done, and its total.

    Raises:
        LabelledFileError: there are no rows, no row has the field or prefix to keep apart, or the groups are too large
            to leave products for every part.
        TemporarySpaceError: the disk is full.
    """
    if not rows:
        msg = "there is no labelled product to split"
        raise LabelledFileError(msg)
    # Only the connected groups matter here, so no more pairs than necessary are collected.
    duplicates = find_duplicates(Texts(rows), settings.duplicates, on_step, most=0)
    on_step("forming groups", 0, 1)
    linked = groups_of(rows, duplicates, settings.field, settings.prefix)
    shares = {
        "train": 1 - settings.validation - settings.test,
        "validation": settings.validation,
        **({"test": settings.test} if settings.test else {}),
    }
    part_of = parts_of(rows, linked, list(shares.values()), settings.seed)
    sizes = linked.sizes()
    result = Split(settings, list(shares), part_of, int((sizes > 0).sum()), int(sizes.max()))
    empty = [name for name, products in result.sizes.items() if shares[name] and not products]
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
