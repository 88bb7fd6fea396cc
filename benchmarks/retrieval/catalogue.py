"""A catalogue of labelled products, tagged by a bundle as a worker tags them."""

import gzip
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from hangtag.records.tagged import TaggedProduct, encode_tags
from hangtag.settings import ModelSettings
from hangtag.tagger.bulk import BulkTagger, Tagged
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.text.product_text import ProductText

FILES = ("marketplace-validation.jsonl.gz", "fashion-validation.jsonl.gz")


@dataclass(frozen=True, slots=True)
class Product:
    """A product: what the shop says, its labels, and its stored `ProductTags`, serialised.

    `facets` are those that are labelled; a facet among them without a label has no tag that fits.
    """

    product_id: str
    title: str
    facets: frozenset[str]
    labels: frozenset[str]
    payload: bytes


def read_catalogue(data: Path, bundle: str) -> list[Product]:
    """The products of the files, tagged; tags are kept in the folder for temporary files, by bundle."""
    rows = list(_rows(data, FILES))
    tagger = open_tagger(ModelSettings(bundle=bundle, engine="cpu"))
    kept = Path(tempfile.gettempdir()) / f"hangtag-retrieval-{tagger.bundle.version[:16]}.jsonl.gz"
    if not kept.exists():
        _tag(rows, tagger, kept)
    with gzip.open(kept, "rt") as file:
        payloads = dict(map(json.loads, file))
    return [
        Product(
            row["product_id"],
            row["title"],
            frozenset(row["facets"]),
            frozenset(row["tags"]),
            bytes.fromhex(payloads[row["product_id"]]),
        )
        for row in rows
    ]


def _rows(data: Path, files: Sequence[str]) -> Iterator[dict]:
    for name in files:
        with gzip.open(data / name, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


def _tag(rows: list[dict], tagger: Tagger, kept: Path) -> None:
    texts = ((row, ProductText.of(row["title"], row["description"], row["merchant_category"])) for row in rows)
    lines = []
    for row, found in track(BulkTagger(tagger)(texts), "Tagging", len(rows)):
        assert isinstance(found, Tagged), row["product_id"]
        product = TaggedProduct(row["product_id"], 1, found.tags, tagger.bundle.version, 0)
        lines.append(json.dumps([row["product_id"], encode_tags(product).hex()]) + "\n")
    unfinished = kept.with_suffix(".part")
    with gzip.open(unfinished, "wt") as file:
        file.writelines(lines)
    unfinished.rename(kept)
