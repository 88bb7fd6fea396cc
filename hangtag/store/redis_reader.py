"""The store as the server reads it: blocking, one round trip for the look-ups of many products."""

from collections.abc import Sequence
from types import NoneType
from typing import NamedTuple

from hangtag.settings import RedisSettings
from hangtag.store.errors import StoreError
from hangtag.store.exchange import Value
from hangtag.store.keys import lookup_keys
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.open import open_exchange
from hangtag.store.stored import Stored
from hangtag.store.value import unpack
from hangtag.telemetry.clock import Clock, SystemClock

_CONNECTIONS = 8
_NO_ERRORS = frozenset({bytes, NoneType})


class Found(NamedTuple):
    """What is stored of some products, in their order.

    Everything that was stored by `as_of_ms`, in ms since 1970, UTC, is in it; later writes may be.
    """

    stored: list[Stored]
    as_of_ms: int


class PartlyReadError(StoreError):
    """Some nodes of a cluster do not answer, so that some of the products could not be read; others could.

    `stored` has what is stored of each product, in their order, or the error of its node. `as_of_ms` is as in `Found`.
    """

    def __init__(self, stored: list[Stored | StoreError], as_of_ms: int) -> None:
        super().__init__(str(next(each for each in stored if isinstance(each, StoreError))))
        self.stored = stored
        self.as_of_ms = as_of_ms


class RedisTagReader:
    """Reads from Redis or Valkey and never writes. Any thread may call it; it connects with the first call.

    No call takes longer than three times `timeout_ms`.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings, clock: Clock | None = None) -> None:
        self._buckets = settings.buckets
        self._clock = clock or SystemClock()
        self._is_claimed = False
        self._exchange = open_exchange(settings, _CONNECTIONS, limit_s=2 * settings.timeout_ms / 1000)
        self.address = self._exchange.address

    def check(self) -> StoreState:
        """Read what the store records about itself and compare it with the settings; an empty store fits.

        Raises:
            StoreMismatchError: another format or bucket count, a node of a cluster, or the store denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        self._is_claimed = False
        (found,) = self._exchange.ask([READ_META])
        state = read_meta(found, self._buckets, self.address)
        self._is_claimed = state.is_claimed
        return state

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:  # noqa: ARG002 (replicas are not read yet)
        """What is stored of these products, in one round trip.

        Raises:
            PartlyReadError: some of the products could not be read; it has the others.
            StoreMismatchError: as in `check`.
            StoreError: the store cannot be reached, is not the primary, or answers wrongly.
        """
        # Before the read: all that was stored by then is in the reply.
        as_of_ms = self._clock.wall_ms()
        if not ids:
            return Found([], as_of_ms)
        if not self._is_claimed:
            self.check()
        # A key of another type counts as none: a writer replaces it.
        values = self._exchange.values(lookup_keys(ids, self._buckets))
        if _NO_ERRORS.issuperset(map(type, values)):
            return Found(list(map(unpack, values[: len(ids)], values[len(ids) :])), as_of_ms)  # type: ignore[arg-type]
        raise PartlyReadError([_stored(values[place], values[len(ids) + place]) for place in range(len(ids))], as_of_ms)

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()


def _stored(value: Value, seen: Value) -> Stored | StoreError:
    for each in (value, seen):
        if isinstance(each, StoreError):
            return each
    return unpack(value, seen)  # type: ignore[arg-type] # checked above
