"""A version of a product that was received: what its mark in the store is made from."""

from typing import NamedTuple

from hangtag.store.stored import Seen


class Arrival(NamedTuple):
    """A version of a product, and the place of its event in `products.events`; -1 where it is not known."""

    product_id: str
    version: int
    partition: int = -1
    offset: int = -1

    def seen(self, *, is_refused: bool = False) -> Seen:
        """The mark of a product of which only this version was ever received, and perhaps refused."""
        return Seen(self.version, self.version if is_refused else 0, self.partition, self.offset)
