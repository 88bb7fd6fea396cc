"""The store without a server, for tests and simulation: the same behaviour suite runs over it and over Redis."""

import uuid
from collections.abc import Sequence

from hangtag.store.entry import Entry, Outcome, Reply, check_version


class MemoryTagStore:
    """Keeps entries in a dictionary, as `TagStore` describes. One thread at a time may call it.

    `entries` and `seen` may be read and changed to stand for a loss of data; `empty` is a flush.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.seen: dict[str, int] = {}
        self.was_emptied = False
        self.identity = uuid.uuid4().hex

    def empty(self) -> None:
        """Lose all data, as a server that restarts without its file does."""
        self.entries.clear()
        self.seen.clear()
        self.identity = uuid.uuid4().hex

    def expect(self, identities: Sequence[str]) -> None:
        """See `TagStore`."""
        self.was_emptied |= any(identity != self.identity for identity in identities)

    def mark_seen(self, products: Sequence[tuple[str, int]]) -> None:
        """See `TagStore`."""
        for _, version in products:
            check_version(version)
        for product_id, version in products:
            self.seen[product_id] = max(version, self.seen.get(product_id, 0))

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """See `TagStore`."""
        return [self._write(entry) for entry in entries]

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """See `TagStore`."""
        return [self.entries.get(product_id) for product_id in product_ids]

    def close(self) -> None:
        """See `TagStore`."""

    def _write(self, new: Entry) -> Reply:
        old = self.entries.get(new.product_id)
        if old is not None:
            before, after = old.rank, new.rank
            if after[:2] < before[:2] or (after[:2] == before[:2] and after.sequence < before.sequence):
                return Reply(Outcome.OLDER)
            if before == after and old.bundle_prefix == new.bundle_prefix:
                return Reply(Outcome.SAME)
            if not old.is_deletion and not new.is_deletion and after.revision < before.revision:
                return Reply(Outcome.DECIDED, old)
        self.entries[new.product_id] = new
        return Reply(Outcome.WRITTEN)
