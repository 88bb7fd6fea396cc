"""What a worker needs of a store."""

from collections.abc import Sequence
from typing import Protocol

from hangtag.store.entry import Entry, Outcome


class TagStore(Protocol):
    """Takes results so that the newest wins, in whatever order and however often they come."""

    def mark_seen(self, products: Sequence[tuple[str, int]]) -> None:
        """Note that these (product id, version) are on their way.

        Raises:
            StoreError: the store cannot be reached or answers wrongly.
            ValueError: a version is outside 0..2^63-1.
        """
        ...

    def write(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Write what is newer than what is stored; one outcome an entry, in order. Safe to repeat after an error.

        Raises:
            StoreError: the store cannot be reached or answers wrongly; some entries may be written.
        """
        ...

    def payloads(self, product_ids: Sequence[str]) -> list[bytes | None]:
        """What the store holds of these products, in order: serialised `ProductTags`.

        Empty bytes: the product is deleted. None: the store does not know it.

        Raises:
            StoreError: the store cannot be reached or answers wrongly.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
