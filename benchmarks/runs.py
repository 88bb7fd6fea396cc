"""Helpers of the training benchmarks: writing products to files, resumable runs, tables."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hangtag.cli.stopping import stopping
from hangtag.trainer.data.labelled import LabelledProduct, read_rows
from hangtag.trainer.data.split import SplitSettings, split
from hangtag.trainer.files.run_folder import Epoch
from hangtag.trainer.recipe.recipe import Recipe
from hangtag.trainer.running.train import Watcher, train


def three_parts(files: Iterable[Path], facet: str = "") -> dict[str, list[LabelledProduct]]:
    """Split products into training (60 %), validation (15 %) and test products, near duplicates together.

    With `facet`, only products with a tag of that facet are used, and only their labels in it.
    """
    rows = read_rows(files).good
    if facet:
        rows = [row for row in rows if row.product.tags_of(facet)]
    parts = split(rows, SplitSettings(validation=0.15, test=0.25)).parts
    products = {name: [rows[at].product for at in places] for name, places in parts.items()}
    if facet:
        products = {name: [_only(product, facet) for product in part] for name, part in products.items()}
    return products


def _only(product: LabelledProduct, facet: str) -> LabelledProduct:
    return replace(product, facets=frozenset({facet}), tags=product.tags_of(facet))


def write_products(path: Path, products: Iterable[LabelledProduct]) -> Path:
    """Write products as labelled JSONL, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        json.dumps(asdict(product) | {"facets": sorted(product.facets), "tags": sorted(product.tags)}) + "\n"
        for product in products
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path


def trained(recipe: Recipe, data: Path, run: Path) -> Path:
    """Train the recipe in the folder `run`, or resume it, unless it is finished; returns the bundle's folder."""
    bundle = run / "bundle"
    if not (run / "outcome.json").is_file():

        def print_epoch(epoch: Epoch) -> None:
            print(f"{run.name}: epoch {epoch.epoch} score {epoch.score:.4f} {epoch.seconds:.0f} s", file=sys.stderr)

        with stopping():
            train(recipe, data, run, bundle, Watcher(epoch=print_epoch))
    return bundle


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows with the same columns as a Markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
