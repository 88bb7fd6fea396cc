"""What a record of `products.tagged` says about a product."""

from typing import NamedTuple, Self

from hangtag.store import Entry, Rank


class Change(NamedTuple):
    """A version of a product was tagged, for the first time or again, or was deleted.

    `product_id` is in UTF-8; `payload` is the serialised `ProductTags`, empty for a deletion.
    """

    product_id: bytes
    rank: tuple[int, bool, int, int]
    payload: bytes

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The change that makes an entry what is known of its product."""
        return cls(entry.product_id.encode(), entry.rank, entry.payload)

    @property
    def order(self) -> Rank:
        """The place of the change in the order of all changes of the product."""
        return Rank(*self.rank)
