"""Labelled products: the JSONL that the trainer and `hangtag evaluate` read."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangtag.product_text import ProductText


class LabelledFileError(ValueError):
    """A line of a labelled file cannot be used; the message names file, line and reason."""


@dataclass(frozen=True, slots=True)
class LabelledProduct:
    """A product whose `facets` are labelled: one of these without a tag means "none of them", any other "not known"."""

    product_id: str
    text: ProductText
    facets: frozenset[str]
    tags: frozenset[str]


def read_labelled(paths: Iterable[Path], assume: Iterable[str] = ()) -> list[LabelledProduct]:
    """Read JSONL files (gzipped if the name ends in `.gz`) in the order given.

    `assume` adds tags that hold for every product of these files, and their facets.

    Raises:
        LabelledFileError: a file is missing or a line is not a labelled product.
    """
    assumed = frozenset(assume)
    return [product for path in paths for product in _read_file(path, assumed)]


def _read_file(path: Path, assumed: frozenset[str]) -> Iterator[LabelledProduct]:
    if not path.is_file():
        msg = f"{path}: no such file"
        raise LabelledFileError(msg)
    open_text = gzip.open if path.suffix == ".gz" else Path.open
    with open_text(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield _parse(json.loads(line), assumed)
                except (ValueError, TypeError, KeyError) as error:
                    msg = f"{path}, line {number}: {error}"
                    raise LabelledFileError(msg) from error


def _parse(row: Any, assumed: frozenset[str]) -> LabelledProduct:
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
    text = ProductText.of(row.get("title") or "", row.get("description") or "", row.get("merchant_category") or "")
    return LabelledProduct(
        str(row["product_id"]), text, facets | {tag.split(":", 1)[0] for tag in assumed}, tags | assumed
    )
