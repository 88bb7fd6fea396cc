"""What a writer needs of a store."""

from collections.abc import Sequence
from typing import Protocol

from hangtag.store.arrival import Arrival
from hangtag.store.entry import Entry, Reply


class TagStore(Protocol):
    """Keeps the newest entry of each product, in whatever order and however often entries come.

    Every method but `close` raises `StoreError` if the store cannot be reached or answers wrongly.
    """

    @property
    def identity(self) -> str:
        """The store's random identity as it was last read; empty before the first call."""
        ...

    def expect(self, identities: Sequence[str]) -> None:
        """Record that the store was emptied if one of `identities` is not its own, unless it has been rebuilt since.

        `identities` are those of the stores that held the results when offsets were committed.
        """
        ...

    def mark_seen(self, arrivals: Sequence[Arrival]) -> None:
        """Note that these versions were received and are on their way, unless the store holds them or newer ones.

        Of the marks of one product the newest version counts, in whatever order they come. The write of that version or
        a newer one removes the mark.

        Raises:
            ValueError: a version is outside 0..2^63-1; nothing is marked.
        """
        ...

    def mark_refused(self, arrivals: Sequence[Arrival]) -> None:
        """Note that these versions were received and became dead letters.

        That is never forgotten, until that version or a newer one is stored after all.

        Raises:
            ValueError: a version is outside 0..2^63-1; nothing is marked.
        """
        ...

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """Write what is newer than what is stored; one reply per entry, in order. Safe to repeat after an error.

        The order is `Entry.rank`. The same version, sequence and revision from another bundle replaces what is stored.
        An entry of a lower revision than the stored tags is answered with DECIDED and those tags.
        """
        ...

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """What the store holds of these products, in order; None: nothing."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
