"""Which replicas may answer for which keys."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hangtag.store.client import Node
from hangtag.store.cluster import ClusterExchange
from hangtag.store.errors import StoreError
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

    def refresh(self) -> None:
        """Ask the primaries how far they are. One thread calls, once in a while.

        Raises:
            StoreError: one of them did not answer; the others were asked.
        """
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

    def refresh(self) -> None:
        """See `Shares`."""
        self._replicas.mark()

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

    def of(self, keys: Sequence[str]) -> list[Share]:
        """See `Shares`."""
        known, groups = self._known, self._exchange.places_of(keys)
        return [Share(known[primary][1], places) for primary, places in groups.items() if primary in known]

    def refresh(self) -> None:
        """See `Shares`."""
        if self._clock.monotonic() >= self._next_look:
            self._exchange.look_around()
            self._next_look = self._clock.monotonic() + _LOOK_EVERY_S
        self._known = {primary: self._replicas_of(primary) for primary in self._exchange.known_primaries}
        errors = []
        for _, replicas in self._known.values():
            try:
                replicas.mark()
            except StoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def close(self) -> None:
        """See `Shares`; the exchange closes all connections to the cluster."""

    def _replicas_of(self, primary: Node) -> tuple[list[Node], Replicas]:
        nodes = self._exchange.replicas_of(primary)
        known = self._known.get(primary)
        if known is not None and known[0] == nodes:
            return known
        exchange, links = self._exchange.at(primary), [self._exchange.links_to(node) for node in nodes]
        return nodes, Replicas(links, lambda: _info(exchange), self._clock, self._lag_ms, [READONLY])


def _info(primary: Exchange) -> bytes:
    replies = primary.ask([INFO])
    raise_refusal(replies, primary.address)
    found: bytes = replies[0]
    return found
