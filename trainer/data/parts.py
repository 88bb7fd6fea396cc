"""The parts that groups of rows get: stratified, and in large files at random where tags are frequent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.data.labelled import LabelledRow
from hangtag.trainer.data.linked import Linked
from hangtag.trainer.data.stratify import stratified

# Up to this number of rows, all groups are stratified.
ALL_STRATIFIED = 200_000
# Of a tag with as many products or more, a random part has its share to a few per cent.
FREQUENT = 1_000
# A group with a larger share of all rows would upset the shares if its part were random.
_LARGE_SHARE = 1e-3

_SEEDS = 1 << 64


def parts_of(rows: Sequence[LabelledRow], linked: Linked, shares: Sequence[float], seed: int) -> NDArray[np.int8]:
    """The number of each row's part, of shape (rows,). Rows of a group are in the same part.

    Groups are stratified (see `stratified`). Of more than 200,000 rows only those groups are that have a tag with fewer
    than 1,000 products, or more than a thousandth of all rows: their tags are in memory. The others are drawn.
    """
    chosen = None if len(rows) <= ALL_STRATIFIED else _to_stratify(rows, linked)
    sizes = linked.sizes()
    counts: dict[int, Counter[str]] = {}
    for row, group in _with_groups(rows, linked):
        if chosen is None or chosen[group]:
            counts.setdefault(group, Counter()).update(sorted(row.product.tags))
    names = sorted(counts)
    parts = stratified([counts[name] for name in names], [int(sizes[name]) for name in names], shares, seed)
    part_of_group = np.zeros(len(rows), np.int8) if chosen is None else _drawn(len(rows), shares, seed)
    part_of_group[names] = parts
    result = np.empty(len(rows), np.int8)
    for start, groups in linked.blocks():
        result[start : start + len(groups)] = part_of_group[groups]
    return result


def _to_stratify(rows: Sequence[LabelledRow], linked: Linked) -> NDArray[np.bool_]:
    """Which groups have a rare tag or are large, by the place that names them."""
    products = Counter(tag for row in rows for tag in row.product.tags)
    chosen = linked.sizes() > _LARGE_SHARE * len(rows)
    for row, group in _with_groups(rows, linked):
        if any(products[tag] < FREQUENT for tag in row.product.tags):
            chosen[group] = True
    return chosen


def _drawn(count: int, shares: Sequence[float], seed: int) -> NDArray[np.int8]:
    """A part for each place, drawn by the shares."""
    drawn = np.random.default_rng(seed % _SEEDS).random(count, np.float32)
    return np.searchsorted(np.cumsum(shares)[:-1], drawn, "right").astype(np.int8)


def _with_groups(rows: Iterable[LabelledRow], linked: Linked) -> Iterator[tuple[LabelledRow, int]]:
    groups = (group for _, block in linked.blocks() for group in block.tolist())
    return zip(rows, groups, strict=True)
