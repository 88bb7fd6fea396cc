"""The store as the server reads it: blocking, one round trip for the look-ups of many products."""

from collections.abc import Sequence
from types import NoneType
from typing import NamedTuple

from hangtag.settings import RedisSettings
from hangtag.store.errors import PartlyReadError, StoreError, StoreMismatchError
from hangtag.store.exchange import Value
from hangtag.store.keys import lookup_keys, mark_keys
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.open import open_exchange, open_replica_reads
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


class RedisTagReader:
    """Reads from Redis or Valkey and never writes. Any thread may call it; it connects with the first call.

    A call takes no longer than twice `timeout_ms`, or three times where replicas are read. The first read checks too.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read, or there are no replicas to read from.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings, clock: Clock | None = None) -> None:
        self._buckets = settings.buckets
        self._clock = clock or SystemClock()
        self._state = StoreState()
        self._exchange = open_exchange(settings, _CONNECTIONS, limit_s=2 * settings.timeout_ms / 1000)
        self._replicas = None
        if settings.read_from == "replica":
            self._replicas = open_replica_reads(self._exchange, settings, _CONNECTIONS, self._clock)
        self.address = self._exchange.address

    def check(self) -> StoreState:
        """Read what the store records about itself and compare it with the settings; an empty store fits.

        While the node of a cluster that has this record is away and others answer, it is what was read last.

        Raises:
            StoreMismatchError: another format or bucket count, a node of a cluster, or the store denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        known = self._state
        try:
            (found,) = self._exchange.ask([READ_META])
            state = read_meta(found, self._buckets, self.address)
        except StoreError as error:
            if isinstance(error, StoreMismatchError) or not (known.is_claimed and self._exchange.is_cluster):
                self._state = StoreState()
                raise
            self._exchange.values(mark_keys(self._buckets))  # raises an error if no node answers
            return known
        self._state = state
        return state

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:
        """What is stored of these products, in one round trip.

        Without `primary`, replicas are asked if the settings say so, and `as_of_ms` is the time for which the one that
        answers is known to be complete. The primary is asked where none can answer.

        Raises:
            PartlyReadError: some of the products could not be read; it has the others.
            StoreMismatchError: as in `check`.
            StoreError: the store cannot be reached, is not the primary, or answers wrongly.
        """
        # Before the read: all that was stored by then is in the reply.
        as_of_ms = self._clock.wall_ms()
        if not ids:
            return Found([], as_of_ms)
        if not self._state.is_claimed:
            self.check()
        # A key of another type counts as none: a writer replaces it.
        keys = lookup_keys(ids, self._buckets)
        if primary or self._replicas is None:
            values = self._exchange.values(keys)
        else:
            values, as_of_ms = self._replicas.values(keys)
        if _NO_ERRORS.issuperset(map(type, values)):
            return Found(list(map(unpack, values[: len(ids)], values[len(ids) :])), as_of_ms)  # type: ignore[arg-type]
        errors = [value for value in values if isinstance(value, StoreError)]
        pairs = zip(values[: len(ids)], values[len(ids) :], strict=True)
        raise PartlyReadError(str(errors[0]), [_stored(*pair) for pair in pairs], as_of_ms)

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()
        if self._replicas is not None:
            self._replicas.close()


def _stored(value: Value, seen: Value) -> Stored | None:
    if isinstance(value, StoreError) or isinstance(seen, StoreError):
        return None
    return unpack(value, seen)
