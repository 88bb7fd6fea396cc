"""Which replicas may answer for which keys."""

import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hangtag.store.client import Node
from hangtag.store.cluster import ClusterExchange
from hangtag.store.exchange import Exchange, raise_refusal
from hangtag.store.links import Links
from hangtag.store.replicas import INFO, READONLY, Replicas
from hangtag.telemetry.clock import Clock

# How often a cluster is asked for its replicas.
_LOOK_EVERY_S = 2.0


class Share(NamedTuple):
    """The keys of one primary, as their places among all keys of a read. One `MGET` may ask for a group of them."""

    replicas: Replicas
    groups: list[list[int]]


class Shares(Protocol):
    """Divides the keys of a read among primaries. Any thread may call."""

    def of(self, keys: Sequence[str]) -> list[Share]:
        """The shares of the primaries whose replicas are known; a key may be in none."""
        ...

    def close(self) -> None:
        """Close connections that nobody else closes."""
        ...


class SingleShares:
    """One primary has all keys."""

    def __init__(self, exchange: Exchange, links: Sequence[Links], clock: Clock, lag_ms: int) -> None:
        self._links = links
        self._replicas = Replicas(links, lambda: _info(exchange), clock, lag_ms)

    def of(self, keys: Sequence[str]) -> list[Share]:
        """See `Shares`."""
        return [Share(self._replicas, [list(range(len(keys)))])]

    def close(self) -> None:
        """See `Shares`."""
        for links in self._links:
            links.close()


class ClusterShares:
    """Each primary of a cluster has the keys of its slots."""

    def __init__(self, exchange: ClusterExchange, clock: Clock, lag_ms: int) -> None:
        self._exchange, self._clock, self._lag_ms = exchange, clock, lag_ms
        self._known: dict[Node, tuple[list[Node], Replicas]] = {}
        self._next_look = 0.0
        self._lock = threading.Lock()

    def of(self, keys: Sequence[str]) -> list[Share]:
        """See `Shares`."""
        self._look()
        groups = self._exchange.places_of(keys)
        return [Share(self._replicas_of(primary), places) for primary, places in groups.items()]

    def close(self) -> None:
        """See `Shares`; the exchange closes all connections to the cluster."""

    def _look(self) -> None:
        if self._clock.monotonic() < self._next_look or not self._lock.acquire(blocking=False):
            return
        try:
            self._exchange.look_around()
        finally:
            self._next_look = self._clock.monotonic() + _LOOK_EVERY_S
            self._lock.release()

    def _replicas_of(self, primary: Node) -> Replicas:
        nodes = self._exchange.replicas_of(primary)
        known = self._known.get(primary)
        if known is None or known[0] != nodes:
            exchange, links = self._exchange.at(primary), [self._exchange.links_to(node) for node in nodes]
            replicas = Replicas(links, lambda: _info(exchange), self._clock, self._lag_ms, [READONLY])
            known = self._known[primary] = (nodes, replicas)
        return known[1]


def _info(primary: Exchange) -> bytes:
    replies = primary.ask([INFO])
    raise_refusal(replies, primary.address)
    found: bytes = replies[0]
    return found
