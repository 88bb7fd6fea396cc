"""What was read of one product, and the time for which that holds."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from hangtag.store import Stored


class LookedUp(NamedTuple):
    """What is stored of a product by `as_of_ms`, in ms since 1970, UTC.

    `is_degraded` says that the store cannot be read, and that this was read before. `as_of_s` is `as_of_ms` on the
    monotonic clock. `is_behind` says that something newer was on `products.tagged` since.
    """

    stored: Stored
    as_of_ms: int
    is_degraded: bool = False
    as_of_s: float = 0.0
    is_behind: bool = False

    @classmethod
    def each(cls, stored: Iterable[Stored], as_of_ms: int, as_of_s: float) -> list[Self]:
        """What one read of the store found; five times as fast as the constructor, and used for each product."""
        new = tuple.__new__
        return [new(cls, (one, as_of_ms, False, as_of_s, False)) for one in stored]
