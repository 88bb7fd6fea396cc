"""Products that must stay together when labelled files are split."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hangtag.trainer.data.duplicates import Duplicates
from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow


def groups_of(
    rows: Sequence[LabelledRow], duplicates: Duplicates, field: str = "", prefix: str = ""
) -> list[list[int]]:
    """Places of rows, each once, in groups: what is alike, directly or through others, is in one group.

    Alike are duplicates, exact and near, rows of one product id, rows with the same value of `field`, and rows whose
    product ids are the same up to the first `prefix`. Rows without the field or the prefix are alike no others by it.

    Raises:
        LabelledFileError: no row has the field or the prefix.
    """
    chains = _alike([row.product.product_id for row in rows], duplicates)
    if field:
        values = [row.others.get(field) for row in rows]
        if not any(map(_is_given, values)):
            what = f"the first row's other fields: {_names(rows)}"
            if any(field in row.others for row in rows):
                what = "it is there, and empty in every row"
            msg = f"no row has a field {field!r} to keep apart; {what}"
            raise LabelledFileError(msg)
        chains += _with_same(str(value) if _is_given(value) else None for value in values)
    if prefix:
        heads = [row.product.product_id.partition(prefix) for row in rows]
        if not any(found for _, found, _ in heads):
            msg = f"no product id has {prefix!r} in it"
            raise LabelledFileError(msg)
        chains += _with_same(head if found else None for head, found, _ in heads)
    return _connected(chains, len(rows))


def groups_alike(product_ids: Sequence[str], duplicates: Duplicates) -> list[list[int]]:
    """The same of products that are alike by duplicates and their ids alone."""
    return _connected(_alike(product_ids, duplicates), len(product_ids))


def _alike(product_ids: Sequence[str], duplicates: Duplicates) -> list[tuple[int, ...]]:
    return [
        *duplicates.exact,
        *((pair.first, pair.second) for pair in duplicates.near),
        *_with_same(product_ids),
    ]


def _with_same(values: Iterable[str | None]) -> Iterator[tuple[int, ...]]:
    """Links from the first place of each value to its others."""
    first: dict[str, int] = {}
    for place, value in enumerate(values):
        if value is not None:
            yield (first.setdefault(value, place), place)


def _connected(chains: Sequence[tuple[int, ...]], count: int) -> list[list[int]]:
    links = np.array([(chain[0], place) for chain in chains for place in chain[1:]], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    groups, names = connected_components(graph, directed=False)
    result: list[list[int]] = [[] for _ in range(groups)]
    for place, name in enumerate(names.tolist()):
        result[name].append(place)
    return result


def _is_given(value: object) -> bool:
    return value is not None and value != ""


def _names(rows: Sequence[LabelledRow]) -> str:
    return ", ".join(sorted(rows[0].others)) or "none" if rows else "none"
