"""Labelled products: the JSONL that the trainer and `hangtag evaluate` read."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hangtag.product_text import ProductText


class LabelledFileError(ValueError):
    """A line of a labelled file cannot be used; the message names file, line and reason."""


@dataclass(frozen=True, slots=True)
class LabelledProduct:
    """A product whose `facets` are labelled: one of these without a tag means "none of them", any other "not known"."""

    product_id: str
    title: str
    description: str
    merchant_category: str
    facets: frozenset[str]
    tags: frozenset[str]

    @property
    def text(self) -> ProductText:
        """What the encoder sees of it."""
        return ProductText.of(self.title, self.description, self.merchant_category)


def read_labelled(paths: Iterable[Path]) -> list[LabelledProduct]:
    """Read JSONL files (gzipped if the name ends in `.gz`) in the order given.

    Raises:
        LabelledFileError: a file is missing or a line is not a labelled product.
    """
    return [product for path in paths for product in _read_file(path)]


def with_tags(product: LabelledProduct, tags: Iterable[str]) -> LabelledProduct:
    """The product with more tags, whose facets count as labelled. A facet that is labelled already stays as it is."""
    new = frozenset(tag for tag in tags if tag.split(":", 1)[0] not in product.facets)
    return replace(product, facets=product.facets | {tag.split(":", 1)[0] for tag in new}, tags=product.tags | new)


def _read_file(path: Path) -> Iterator[LabelledProduct]:
    if not path.is_file():
        msg = f"{path}: no such file"
        raise LabelledFileError(msg)
    open_text = gzip.open if path.suffix == ".gz" else Path.open
    with open_text(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield _parse(json.loads(line))
                except (ValueError, TypeError, KeyError) as error:
                    msg = f"{path}, line {number}: {error}"
                    raise LabelledFileError(msg) from error


def _parse(row: Any) -> LabelledProduct:
    if not isinstance(row, dict):
        msg = "not a JSON object"
        raise TypeError(msg)
    missing = [name for name in ("product_id", "facets", "tags") if name not in row]
    if missing:
        msg = f"misses {', '.join(missing)}"
        raise ValueError(msg)
    facets = frozenset(row["facets"])
    tags = frozenset(row["tags"])
    stray = [tag for tag in tags if tag.split(":", 1)[0] not in facets]
    if stray:
        msg = f"tag {stray[0]!r} belongs to none of the labelled facets {sorted(facets)}"
        raise ValueError(msg)
    title, description, category = (row.get(name) or "" for name in ("title", "description", "merchant_category"))
    return LabelledProduct(str(row["product_id"]), title, description, category, facets, tags)
