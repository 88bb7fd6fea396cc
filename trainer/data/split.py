"""Labelled files split into parts to train on, to choose by and to test with."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.data.duplicates import find_duplicates
from trainer.data.groups import groups_of
from trainer.data.labelled import LabelledFileError, LabelledRow
from trainer.data.stratify import stratified

PARTS = ("train", "validation", "test")
REPORT = "split.json"


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


def split(rows: Sequence[LabelledRow], settings: SplitSettings, on_text: Callable[[], None] = lambda: None) -> Split:
    """Split by the settings; the same rows and seed give the same parts. `on_text` is called once for every row.

    Raises:
        LabelledFileError: there is nothing to split, or no row has what the settings keep apart.
    """
    if not rows:
        msg = "there is no labelled product to split"
        raise LabelledFileError(msg)
    duplicates = find_duplicates([row.product.text for row in rows], settings.duplicates, on_text)
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
    return Split(settings, parts, len(groups), max(map(len, groups)))


def write_split(folder: Path, rows: Sequence[LabelledRow], done: Split, *, zipped: bool) -> dict[str, Any]:
    """Write `train`, `validation` and `test` as `.jsonl` or `.jsonl.gz`, and `split.json`, the report it returns.

    An earlier split in the folder is replaced, all of it, so that no part of it stays beside this one.

    Raises:
        LabelledFileError: the folder holds files of these names and no report of a split.
    """
    earlier = [
        path for name in PARTS for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz") if path.exists()
    ]
    if earlier and not (folder / REPORT).exists():
        msg = f"{earlier[0]} is there and was not written by a split: name another folder"
        raise LabelledFileError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    # The report last and the earlier one kept until then: what stops on the way can be started again.
    (folder / REPORT).touch()
    for path in earlier:
        path.unlink()
    for name, places in done.parts.items():
        lines = b"".join(_line(rows[at]) for at in places)
        path = folder / (f"{name}.jsonl.gz" if zipped else f"{name}.jsonl")
        path.write_bytes(gzip.compress(lines, mtime=0) if zipped else lines)
    report = done.report(rows)
    (folder / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def _line(row: LabelledRow) -> bytes:
    product = row.product
    own = {
        **{name: getattr(product, name) for name in ("product_id", "title", "description", "merchant_category")},
        "facets": sorted(product.facets),
        "tags": sorted(product.tags),
    }
    # What a column of a table held (a date, a number of a kind that JSON lacks) becomes text.
    text = json.dumps({**row.others, **own}, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"
