"""A generated catalogue of any size: eight facets, 313 tags, one AUTO or REVIEW tag of each facet for a product."""

import time
from pathlib import Path

import numpy as np

from hangtag.index import Index
from hangtag.index.ids import Ids
from hangtag.index.rows import Rows
from hangtag.index.snapshot import Place, write_snapshot
from hangtag.index.tag_numbers import TagNumbers
from hangtag.v1 import tags_pb2

SIZES = {"segment": 8, "family": 27, "class": 120, "color": 30, "audience": 12, "material": 40, "season": 20, "use": 56}
_AT_ONCE = 100_000
_REVIEW = 0.1


def write_catalogue(path: Path, products: int, topic: str, partitions: int) -> None:
    """Write a snapshot with the catalogue, as of the beginning of an empty topic."""
    place = Place(topic, dict.fromkeys(range(partitions), 0), time.time_ns() // 1_000_000)
    write_snapshot(path, catalogue(products), place)


def catalogue(products: int) -> Index:
    """An index of so many products that is not built yet.

    The values of a facet are as frequent as words are: the n-th one has 1/n of the products of the first. Confidences
    are between 0.4 and 1, most of them above 0.8.
    """
    rng = np.random.default_rng(1)
    table = np.empty((products, len(SIZES)), np.uint32)
    first = 1
    for at, size in enumerate(SIZES.values()):
        shares = 1 / np.arange(1, size + 1)
        tags = first + rng.choice(size, products, p=shares / shares.sum())
        steps = np.round(1_000 * (1 - 0.6 * rng.beta(1, 4, products)))
        is_review = rng.random(products) < _REVIEW
        table[:, at] = (
            tags.astype(np.uint32) << 13 | steps.astype(np.uint32) << 3 | is_review.astype(np.uint32) << 2 | 1
        )
        first += size
    ids = Ids()
    for begin in range(0, products, _AT_ONCE):
        for number in range(begin, min(products, begin + _AT_ONCE)):
            ids.add(product_id(number).encode())
    ranks = {name: np.zeros(products, np.int64) for name in ("sequences", "revisions")}
    columns = {"versions": np.ones(products, np.int64), "deleted": np.zeros(products, np.uint8), **ranks}
    rows = Rows({"slots": table.reshape(-1), **columns})
    return Index(ids, TagNumbers([f"{facet}:v{n}" for facet, size in SIZES.items() for n in range(size)]), rows)


def product_id(number: int) -> str:
    """The id of a product."""
    return f"sku-{number:09d}"


class Requests:
    """Searches for tags of different facets, with counts of all facets; a tag is asked for as often as it occurs."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def next(self, tags: int) -> tags_pb2.FindProductsRequest:
        """A search for products that have so many tags."""
        names = []
        for at in self._rng.choice(len(SIZES), tags, replace=False):
            facet, size = list(SIZES.items())[at]
            shares = 1 / np.arange(1, size + 1)
            value = self._rng.choice(size, p=shares / shares.sum())
            names.append(tags_pb2.TagName(facet=facet, value=f"v{value}"))
        return tags_pb2.FindProductsRequest(query=tags_pb2.TagQuery(all_of=names), count_facets=["*"])
