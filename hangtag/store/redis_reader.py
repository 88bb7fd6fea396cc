"""The store as the server reads it: blocking, one round trip for the look-ups of many products."""

from collections.abc import Sequence
from typing import NamedTuple

from hangtag.settings import RedisSettings
from hangtag.store.errors import StoreError
from hangtag.store.exchange import Exchange, raise_refusal
from hangtag.store.keys import lookup_keys
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.stored import Stored
from hangtag.store.value import unpack
from hangtag.telemetry.clock import Clock, SystemClock

_CONNECTIONS = 8


class Found(NamedTuple):
    """What is stored of some products, in their order.

    Everything that was stored by `as_of_ms`, in ms since 1970, UTC, is in it; later writes may be.
    """

    stored: list[Stored]
    as_of_ms: int


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
        self._exchange = Exchange(settings, _CONNECTIONS, limit_s=2 * settings.timeout_ms / 1000)
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
            StoreMismatchError: as in `check`.
            StoreError: the store cannot be reached, is not the primary, or answers wrongly.
        """
        # Before the read: all that was stored by then is in the reply.
        as_of_ms = self._clock.wall_ms()
        if not ids:
            return Found([], as_of_ms)
        if not self._is_claimed:
            self.check()
        keys = lookup_keys(ids, self._buckets)
        # A key of another type counts as none: a writer replaces it.
        replies = self._exchange.ask([("MGET", *keys)])
        raise_refusal(replies, self.address)
        (values,) = replies
        if len(values) != len(keys):
            msg = f"the store at {self.address} answers {len(values)} values for {len(keys)} keys"
            raise StoreError(msg)
        return Found(list(map(unpack, values[: len(ids)], values[len(ids) :])), as_of_ms)

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()
