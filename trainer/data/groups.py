"""Groups of products that must stay together when labelled files are split."""

from collections.abc import Sequence

import numpy as np

from hangtag.trainer.data.duplicates import Duplicates
from hangtag.trainer.data.keys import Keys
from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow
from hangtag.trainer.data.linked import Linked
from hangtag.trainer.files.disk_array import DiskArray


def groups_of(rows: Sequence[LabelledRow], duplicates: Duplicates, field: str = "", prefix: str = "") -> Linked:
    """Partition the rows' places into groups; rows that are linked, directly or through others, share a group.

    Links are exact and near duplicates, equal product ids, equal values of `field`, and product ids that are equal up
    to the first `prefix`. Rows without the field or the prefix get no link from it.

    Raises:
        LabelledFileError: no row has the field or the prefix.
    """
    ids, values, heads = _Values(), _Values(), _Values()
    for place, row in enumerate(rows):
        ids.add(place, row.product.product_id)
        value = row.others.get(field) if field else None
        values.add(place, str(value) if _is_given(value) else None)
        head, found, _ = row.product.product_id.partition(prefix) if prefix else ("", "", "")
        heads.add(place, head if found else None)
    if field and not values.any:
        what = f"the first row's other fields: {_names(rows)}"
        if any(field in row.others for row in rows):
            what = "the field is empty in every row"
        msg = f"no row has a value in field {field!r} to keep apart; {what}"
        raise LabelledFileError(msg)
    if prefix and not heads.any:
        msg = f"no product id contains {prefix!r}"
        raise LabelledFileError(msg)
    linked = _duplicates_linked(len(rows), duplicates)
    for each in (ids, values, heads):
        each.link(linked)
    return linked


def duplicate_groups(product_ids: Sequence[str], duplicates: Duplicates) -> list[list[int]]:
    """Groups like those of `groups_of`, with duplicates and equal product ids as the only links."""
    linked = _duplicates_linked(len(product_ids), duplicates)
    ids = _Values()
    for place, product_id in enumerate(product_ids):
        ids.add(place, product_id)
    ids.link(linked)
    return linked.members()


def _duplicates_linked(count: int, duplicates: Duplicates) -> Linked:
    linked = Linked(count)
    for group in duplicates.exact:
        linked.join_all(np.array(group))
    for pair in duplicates.near:
        linked.join(pair.first, pair.second)
    return linked


class _Values:
    """The values of rows, some of which may have none."""

    def __init__(self) -> None:
        self._keys = Keys()
        self._places = DiskArray(np.int64)

    @property
    def any(self) -> bool:
        return len(self._keys) > 0

    def add(self, place: int, value: str | None) -> None:
        if value is not None:
            self._keys.append(value)
            self._places.append(place)

    def link(self, linked: Linked) -> None:
        """Link the rows with equal values."""
        self._places.flush()
        for found in self._keys.equal():
            linked.join_all(self._places.rows(found)[:, 0])


def _is_given(value: object) -> bool:
    return value is not None and value != ""


def _names(rows: Sequence[LabelledRow]) -> str:
    return ", ".join(sorted(rows[0].others)) or "none" if rows else "none"
