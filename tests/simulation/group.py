"""A consumer group that rebalances cooperatively, as its members see it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hangtag.records import Partition
from tests.simulation.hub import Hub

# How long the brokers wait for a member that is silent.
_SESSION_S = 2.0


@dataclass(eq=False, slots=True)
class Member:
    """A consumer of the group. `changes` are (partition, whether it is assigned) that its next poll learns of.

    With `must_join` its commits are refused until then.
    """

    name: str
    changes: deque[tuple[Partition, bool]] = field(default_factory=deque)
    is_in_group: bool = True
    must_join: bool = False
    heard_s: float = 0.0


class Group:
    """Which member owns which partition, and the committed offsets with their metadata.

    A partition that moves is revoked first; its new owner gets it once the old one has learned of that, or has been
    silent for too long. A member of the present group may commit any partition, as with Kafka.
    """

    def __init__(self, hub: Hub, partitions: list[Partition]) -> None:
        self._hub = hub
        self.partitions = partitions
        self.members: list[Member] = []
        self.committed: dict[Partition, tuple[int, str]] = {}
        self.refuses_until = 0.0
        self._owners: dict[Partition, Member | None] = dict.fromkeys(partitions)
        self._next: dict[Partition, Member] = {}
        self._turn = 0

    def join(self, name: str) -> Member:
        """A new member; the group rebalances."""
        member = Member(name, heard_s=self._hub.now)
        self.members.append(member)
        self._rebalance()
        return member

    def leave(self, member: Member) -> None:
        """A member says goodbye; its partitions are free at once."""
        self._expel(member)
        self._rebalance()

    def heard(self, member: Member) -> None:
        """A member polls: it learns of its changes, and who has been silent for too long is expelled."""
        member.heard_s = self._hub.now
        if not member.is_in_group:
            member.is_in_group = True
            self.members.append(member)
            self._rebalance()
        for other in list(self.members):
            if self._hub.now - other.heard_s > _SESSION_S:
                self._expel(other)
                other.changes.extend((partition, False) for partition in self._lost(other))
                self._rebalance()

    def learn(self, member: Member) -> list[tuple[Partition, bool]]:
        """The changes that a member takes now. A partition that it gives up goes to its next owner."""
        changes = list(member.changes)
        member.changes.clear()
        member.must_join = False
        for partition, is_assigned in changes:
            if not is_assigned and self._owners[partition] is member and partition in self._next:
                self._assign(partition, self._next.pop(partition))
        return changes

    def reassign(self, partition: Partition) -> None:
        """Take a partition from its owner and give it back at once."""
        owner = self._owners[partition]
        if owner is None:
            return
        owner.must_join = True
        if partition not in self._next:
            owner.changes.extend([(partition, False), (partition, True)])

    def shuffle(self) -> None:
        """Rebalance to another distribution."""
        self._turn += 1
        self._rebalance()

    def commit(self, member: Member, offsets: dict[Partition, tuple[int, str]]) -> bool:
        """Keep committed offsets. False: the group is rebalancing, or the member is not in it any more."""
        if not member.is_in_group or member.must_join or self._hub.now < self.refuses_until:
            return False
        self.committed.update(offsets)
        return True

    def _lost(self, member: Member) -> list[Partition]:
        return [partition for partition, owner in self._owners.items() if owner is member]

    def _expel(self, member: Member) -> None:
        member.is_in_group = False
        if member in self.members:
            self.members.remove(member)

    def _rebalance(self) -> None:
        self._turn += 1
        for place, partition in enumerate(self.partitions):
            owner = self._owners[partition]
            if not self.members:
                if owner is not None and not owner.is_in_group:
                    self._owners[partition] = None
                self._next.pop(partition, None)
                continue
            target = self.members[(place + self._turn) % len(self.members)]
            if owner is None or not owner.is_in_group:
                self._next.pop(partition, None)
                self._assign(partition, target)
            elif partition in self._next:
                if not self._next[partition].is_in_group:
                    self._next[partition] = target
            elif owner is not target:
                self._next[partition] = target
                owner.changes.append((partition, False))

    def _assign(self, partition: Partition, member: Member) -> None:
        self._owners[partition] = member
        member.changes.append((partition, True))
