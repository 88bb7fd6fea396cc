"""Round trips with a cluster: each command goes to the node that serves its key, and nodes work at the same time."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from redis.exceptions import AskError, ClusterDownError, RedisError, TryAgainError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hangtag.store.client import Connector, Node
from hangtag.store.errors import StoreError, store_error
from hangtag.store.exchange import (
    CLUSTER,
    HELLO,
    Exchange,
    SingleExchange,
    Value,
    all_values,
    prove,
    prove_mode,
    raise_refusal,
)
from hangtag.store.link import Command, Link, grace
from hangtag.store.links import Links
from hangtag.store.part import Part
from hangtag.store.topology import Topology, slot_of

_SLOTS: Command = ("CLUSTER", "SLOTS")
# Where the key is in a command that does not have it in front.
_KEY_AT = {"EVALSHA": 3}
# A command may find its slot moved, then the new node away, then a replica in its place.
_TRIES = 4
# Between two tries while the keys of a command are on their way to another node.
_PAUSE_S = 0.02
# How long a node that did not answer is not asked again.
_AWAY_S = 0.25


class ClusterExchange:
    """An `Exchange` with a cluster, over at most `connections` connections to each node.

    A node that does not answer fails only the commands for its slots. For a moment it is then not asked again, so that
    what is for other nodes does not wait for it. With `limit_s`, no call takes longer.
    """

    is_cluster = True

    def __init__(self, connector: Connector, address: str, connections: int, limit_s: float | None) -> None:
        self.address = address
        self._connector, self._connections, self._limit_s = connector, connections, limit_s
        self._topology = Topology(connector.nodes)
        self._lock = threading.Lock()
        self._refreshes = 0
        self._unreachable: RedisError | None = None
        self._links: dict[Node, Links] = {}
        self._away: dict[Node, tuple[float, RedisError]] = {}

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """See `Exchange`."""
        return self._replies([Part(each, slot_of(each[_KEY_AT.get(each[0], 1)])) for each in commands])

    def ask_all(self, command: Command) -> list[Any]:
        """See `Exchange`."""
        return self._replies([Part(command, node=node) for node in self._primaries()])

    def values(self, keys: Sequence[str]) -> list[Value]:
        """See `Exchange`."""
        parts = [_look_up(keys, slot, there) for slot, there in _by_slot(keys).items()]
        self._run(parts)
        split = [part for part in parts if isinstance(part.error, TryAgainError)]
        if split:
            parts = [part for part in parts if not isinstance(part.error, TryAgainError)]
            one_by_one = [_look_up(keys, part.slot, [place]) for part in split for place in part.places]
            self._run(one_by_one)
            parts += one_by_one
        values: list[Value] = [None] * len(keys)
        for part in parts:
            if part.error is None:
                raise_refusal([part.reply], self.address)
                found = part.reply
            else:
                found = [self._error(part)] * len(part.places)
            for place, value in zip(part.places, found, strict=True):
                values[place] = value
        if values and all(part.error is not None for part in parts):
            all_values(values)
        return values

    def primaries(self) -> list[Exchange]:
        """See `Exchange`.

        Raises:
            StoreError: slots are not served, so that all primaries together do not have all keys.
        """
        self._primaries()
        if self._topology.first_unserved() is not None:
            # The node that was asked may not have known of all others yet.
            self._refresh(self._refreshes, None)
        if (slot := self._topology.first_unserved()) is not None:
            error = ClusterDownError(f"slot {slot} is not served")
            raise store_error(self.address, error) from error
        return [self.at(node) for node in self._primaries()]

    def at(self, primary: Node) -> Exchange:
        """Round trips with one primary, for what it alone has."""
        return SingleExchange(self.links_to(primary), str(primary), self._limit_s, CLUSTER)

    @property
    def known_primaries(self) -> list[Node]:
        """The primaries that serve slots, as far as they are known."""
        return self._topology.primaries

    def replicas_of(self, primary: Node) -> list[Node]:
        """The replicas of a primary, as far as they are known."""
        return self._topology.replicas_of.get(primary, [])

    def places_of(self, keys: Sequence[str]) -> dict[Node, list[list[int]]]:
        """The places of the keys by the primary that serves them, and in groups by their slot."""
        places: dict[Node, list[list[int]]] = defaultdict(list)
        for slot, there in _by_slot(keys).items():
            if (primary := self._topology.primary_of(slot)) is not None:
                places[primary].append(there)
        return places

    def look_around(self) -> None:
        """Ask a node what the cluster consists of now.

        Raises:
            StoreError: nodes deny access.
        """
        self._refresh(self._refreshes, None if self._limit_s is None else time.monotonic() + self._limit_s)

    def close(self) -> None:
        """See `Exchange`."""
        for links in list(self._links.values()):
            links.close()

    def _replies(self, parts: Sequence[Part]) -> list[Any]:
        self._run(parts)
        for part in parts:
            if part.error is not None:
                raise self._error(part)
        return [part.reply for part in parts]

    def _error(self, part: Part) -> StoreError:
        assert part.error is not None
        node = part.node or self._topology.primary_of(part.slot)
        cause = part.error if node is not None else self._unreachable or part.error
        error = store_error(self.address if node is None else str(node), cause)
        error.__cause__ = cause
        return error

    def _run(self, parts: Sequence[Part]) -> None:
        """Give each part its reply, or the error that it ended with."""
        deadline = None if self._limit_s is None else time.monotonic() + self._limit_s
        waiting = list(parts)
        for _ in range(_TRIES):
            refreshes = self._refreshes
            self._send(waiting, deadline)
            waiting = [part for part in waiting if part.is_tried_again()]
            if not waiting or (deadline is not None and time.monotonic() >= deadline):
                return
            if any(type(part.error) is not AskError for part in waiting):
                self._refresh(refreshes, deadline)
            if any(isinstance(part.error, TryAgainError) for part in waiting):
                time.sleep(_PAUSE_S)

    def _send(self, parts: Sequence[Part], deadline: float | None) -> None:
        """One round trip with each node that parts are for. All nodes are asked before the first reply is read."""
        groups: dict[Node, list[Part]] = defaultdict(list)
        for part in parts:
            node = part.redirected_to or part.node or self._topology.primary_of(part.slot)
            if node is None:
                part.fail(ClusterDownError(f"slot {part.slot} is not served"))
            else:
                groups[node].append(part)
        asked: dict[Node, Link] = {}
        try:
            # In one order, so that threads which have connections to some nodes never wait for each other.
            for node in sorted(groups):
                self._ask_node(node, groups[node], asked, deadline)
            # All have the time of one, so that those that are silent do not use it up together.
            until = time.monotonic() + self._connector.timeout_s
            for node in list(asked):
                self._hear_node(node, groups[node], asked, grace(until))
        finally:
            for node, link in asked.items():
                self.links_to(node).drop(link)

    def _ask_node(self, node: Node, parts: Sequence[Part], asked: dict[Node, Link], deadline: float | None) -> None:
        if (away := self._away_error(node)) is not None:
            for part in parts:
                part.fail(away, is_given_up=True)
            return
        was_open = False
        try:
            link = asked[node] = self.links_to(node).take(deadline)
            was_open = link.is_open
            link.send([HELLO, *(command for part in parts for command in part.commands())], deadline)
        except RedisError as error:
            self._fail(node, parts, error, asked.pop(node, None), was_open=was_open)

    def _hear_node(self, node: Node, parts: Sequence[Part], asked: dict[Node, Link], deadline: float) -> None:
        try:
            hello, *replies = asked[node].receive(1 + sum(len(part.commands()) for part in parts), deadline)
            prove(hello, CLUSTER, str(node))
        except RedisError as error:
            self._fail(node, parts, error, asked.pop(node), was_open=True)
            return
        self.links_to(node).put(asked.pop(node))
        self._away.pop(node, None)
        found = iter(replies)
        for part in parts:
            *_, reply = [next(found) for _ in part.commands()]
            part.take(reply, node)

    def _fail(self, node: Node, parts: Sequence[Part], error: RedisError, link: Link | None, *, was_open: bool) -> None:
        links = self.links_to(node)
        if link is not None:
            links.drop(link)
        links.close_idle()
        # What ends an open connection at once may be no more than a restart.
        if isinstance(error, RedisTimeoutError) or not was_open:
            self._away[node] = (time.monotonic() + _AWAY_S, error)
        for part in parts:
            part.fail(error)

    def _away_error(self, node: Node) -> RedisError | None:
        """The error to end with if a node is not asked now. The first caller after a moment tries it for all."""
        away = self._away.get(node)
        if away is None:
            return None
        (until, error), now = away, time.monotonic()
        if now < until:
            return error
        self._away[node] = (now + self._connector.timeout_s + _AWAY_S, error)
        return None

    def _refresh(self, refreshes: int, deadline: float | None) -> None:
        """Ask a node about the cluster, unless another thread has, since there were `refreshes`."""
        if not self._lock.acquire(timeout=-1 if deadline is None else max(0.0, deadline - time.monotonic())):
            return
        try:
            if self._refreshes != refreshes:
                return
            # Those that did not answer come last.
            for node in sorted(self._topology.nodes(), key=self._away.__contains__):
                try:
                    hello, found = self.links_to(node).round_trip((HELLO, _SLOTS), deadline)
                    prove_mode(hello, CLUSTER, str(node))
                except RedisError as error:
                    self._unreachable = error
                    continue
                raise_refusal([found], str(node))
                self._topology.take(found, node)
                self._unreachable = None
                break
            self._refreshes += 1
        finally:
            self._lock.release()

    def _primaries(self) -> list[Node]:
        if not self._topology.primaries:
            self._refresh(self._refreshes, None)
        if not self._topology.primaries:
            error = self._unreachable or ClusterDownError("no slot is served")
            raise store_error(self.address, error) from error
        return self._topology.primaries

    def links_to(self, node: Node) -> Links:
        """The connections to a node."""
        links = self._links.get(node)
        return links or self._links.setdefault(node, Links(self._connector, node, self._connections))


def _by_slot(keys: Sequence[str]) -> dict[int, list[int]]:
    """The places of the keys by their slot."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[slot_of(key)].append(place)
    return places


def _look_up(keys: Sequence[str], slot: int, places: list[int]) -> Part:
    return Part(("MGET", *[keys[place] for place in places]), slot, places=places)
