"""Product ids that several rows have, and ids that differ only in case."""

import numpy as np

from hangtag.trainer.data.keys import Keys
from hangtag.trainer.files.disk_list import DiskList, sorted_on_disk

Groups = DiskList[tuple[int, ...]]


class RepeatedIds:
    """Collects the ids of rows, in the order of the rows."""

    def __init__(self) -> None:
        self._ids = Keys()
        self._folded = Keys()

    def add(self, product_id: str) -> None:
        """Add the next row's id."""
        self._ids.append(product_id)
        self._folded.append(product_id.casefold())

    def groups(self) -> tuple[Groups, Groups]:
        """The places of rows with the same id, and of the first rows of ids that differ only in case."""
        is_first = np.ones(len(self._ids), np.bool_)
        same: Groups = DiskList()
        for places in self._ids.equal():
            same.append(tuple(places.tolist()))
            is_first[places[1:]] = False
        but_case: Groups = DiskList()
        but_case.extend(tuple(places.tolist()) for places in self._folded.equal(is_first))
        return tuple(sorted_on_disk(each, lambda group: group, DiskList) for each in (same, but_case))  # type: ignore[return-value]
