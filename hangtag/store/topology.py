"""Which node of a cluster serves which slot, and the replicas of each."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from redis.crc import key_slot

from hangtag.store.client import Node

_SLOTS = 16_384
_HASH_TAG = re.compile(r"\{([^}]+)\}")


class Topology:
    """What the nodes of a cluster last said about it. A refresh replaces it as a whole, so any thread may read it."""

    def __init__(self, seeds: Sequence[Node]) -> None:
        self._seeds = list(dict.fromkeys(seeds))
        self._primary_of: dict[int, Node] = {}
        self.primaries: list[Node] = []
        """Those that serve slots, in order; empty before the first refresh."""
        self.replicas_of: dict[Node, list[Node]] = {}

    def take(self, ranges: Sequence[Sequence[Any]], asked: Node) -> None:
        """Take what the node `asked` replied to `CLUSTER SLOTS`: ranges of slots with their primary and replicas."""
        primary_of: dict[int, Node] = {}
        replicas_of: dict[Node, list[Node]] = {}
        for first, last, *servers in ranges:
            primary, *replicas = (_node(server, asked) for server in servers)
            primary_of.update(dict.fromkeys(range(first, last + 1), primary))
            known = replicas_of.setdefault(primary, [])
            known += [replica for replica in replicas if replica not in known]
        self._primary_of, self.replicas_of, self.primaries = primary_of, replicas_of, sorted(replicas_of)

    def primary_of(self, slot: int) -> Node | None:
        """The node that serves a slot; None: nobody does, or it is not known yet."""
        return self._primary_of.get(slot)

    def first_unserved(self) -> int | None:
        """The first slot that no node serves, as far as is known; None: each has its node."""
        if len(self._primary_of) == _SLOTS:
            return None
        return next(slot for slot in range(_SLOTS) if slot not in self._primary_of)

    def nodes(self) -> list[Node]:
        """All that can be asked about the cluster: those it consists of, then those that the settings list."""
        replicas = (replica for replicas in self.replicas_of.values() for replica in replicas)
        return list(dict.fromkeys([*self.primaries, *self._seeds, *replicas]))


def slot_of(key: str) -> int:
    """The slot of a key."""
    found = _HASH_TAG.search(key)
    return _slot(found[1] if found else key)


@lru_cache(20_000)
def _slot(tag: str) -> int:
    return key_slot(tag.encode())


def _node(server: Sequence[Any], asked: Node) -> Node:
    """A node may not know its own name: then it is where it was asked."""
    host, port = (server[0] or b"").decode(), server[1]
    return Node(asked.host if host in ("", "?") else host, port)
