"""The store without a server, for tests and simulation: the same behaviour suite runs over it and over Redis."""

import uuid
from collections.abc import Sequence

from hangtag.store.arrival import Arrival
from hangtag.store.entry import Entry, Outcome, Reply, check_version
from hangtag.store.stored import Seen


class MemoryTagStore:
    """Keeps entries in a dictionary, as `TagStore` describes. One thread at a time may call it.

    `entries` and `seen` may be read and changed to stand for a loss of data; `empty` is a flush.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.seen: dict[str, Seen] = {}
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

    def mark_seen(self, arrivals: Sequence[Arrival]) -> None:
        """See `TagStore`."""
        self._mark(arrivals, is_refused=False)

    def mark_refused(self, arrivals: Sequence[Arrival]) -> None:
        """See `TagStore`."""
        self._mark(arrivals, is_refused=True)

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """See `TagStore`."""
        return [self._write(entry) for entry in entries]

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """See `TagStore`."""
        return [self.entries.get(product_id) for product_id in product_ids]

    def close(self) -> None:
        """See `TagStore`."""

    def _mark(self, arrivals: Sequence[Arrival], *, is_refused: bool) -> None:
        for arrival in arrivals:
            check_version(arrival.version)
        for arrival in arrivals:
            new = arrival.seen(is_refused=is_refused)
            old = self.seen.get(arrival.product_id, new)
            is_old = old.version > new.version or (old.version == new.version and old.offset >= 0)
            newest = old if is_old else new
            self._keep(arrival.product_id, newest._replace(refused=max(old.refused, new.refused)))

    def _keep(self, product_id: str, seen: Seen) -> None:
        """Keep of a mark what the stored version does not make needless."""
        held = self.entries.get(product_id)
        if held is not None and held.version >= seen.version:
            self.seen.pop(product_id, None)
            return
        is_needless = held is not None and held.version >= seen.refused
        self.seen[product_id] = seen._replace(refused=0) if is_needless else seen

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
        if (seen := self.seen.get(new.product_id)) is not None:
            self._keep(new.product_id, seen)
        return Reply(Outcome.WRITTEN)
