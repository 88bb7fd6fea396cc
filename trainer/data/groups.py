"""Groups of products that must stay together when labelled files are split."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hangtag.trainer.data.duplicates import Duplicates
from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow


def groups_of(
    rows: Sequence[LabelledRow], duplicates: Duplicates, field: str = "", prefix: str = ""
) -> list[list[int]]:
    """Partition the rows' places into groups; rows that are linked, directly or through others, share a group.

    Links are exact and near duplicates, equal product ids, equal values of `field`, and product ids that are equal up
    to the first `prefix`. Rows without the field or the prefix get no link from it.

    Raises:
        LabelledFileError: no row has the field or the prefix.
    """
    links = _duplicate_links([row.product.product_id for row in rows], duplicates)
    if field:
        values = [row.others.get(field) for row in rows]
        if not any(map(_is_given, values)):
            what = f"the first row's other fields: {_names(rows)}"
            if any(field in row.others for row in rows):
                what = "the field is empty in every row"
            msg = f"no row has a value in field {field!r} to keep apart; {what}"
            raise LabelledFileError(msg)
        links += _equal_values(str(value) if _is_given(value) else None for value in values)
    if prefix:
        heads = [row.product.product_id.partition(prefix) for row in rows]
        if not any(found for _, found, _ in heads):
            msg = f"no product id contains {prefix!r}"
            raise LabelledFileError(msg)
        links += _equal_values(head if found else None for head, found, _ in heads)
    return _connected(links, len(rows))


def duplicate_groups(product_ids: Sequence[str], duplicates: Duplicates) -> list[list[int]]:
    """Like `groups_of`, with duplicates and equal product ids as the only links."""
    return _connected(_duplicate_links(product_ids, duplicates), len(product_ids))


def _duplicate_links(product_ids: Sequence[str], duplicates: Duplicates) -> list[tuple[int, ...]]:
    return [
        *duplicates.exact,
        *((pair.first, pair.second) for pair in duplicates.near),
        *_equal_values(product_ids),
    ]


def _equal_values(values: Iterable[str | None]) -> Iterator[tuple[int, ...]]:
    """Links from the first place of each value to its other places."""
    first: dict[str, int] = {}
    for place, value in enumerate(values):
        if value is not None:
            yield (first.setdefault(value, place), place)


def _connected(links: Sequence[tuple[int, ...]], count: int) -> list[list[int]]:
    """The connected components; each link joins all the places in it."""
    edges = np.array([(link[0], place) for link in links for place in link[1:]], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    groups, numbers = connected_components(graph, directed=False)
    result: list[list[int]] = [[] for _ in range(groups)]
    for place, number in enumerate(numbers.tolist()):
        result[number].append(place)
    return result


def _is_given(value: object) -> bool:
    return value is not None and value != ""


def _names(rows: Sequence[LabelledRow]) -> str:
    return ", ".join(sorted(rows[0].others)) or "none" if rows else "none"
