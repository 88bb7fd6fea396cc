"""Whether a program that reads in a group can do its work: brokers, partitions, and a worker's model."""

from typing import Protocol

from hangtag.following.following import Following
from hangtag.telemetry import Heartbeats, Part
from hangtag.workers.contact import KAFKA_BEAT, OUTAGE_S
from hangtag.workers.source import Membership


class Member(Protocol):
    """A member of a group."""

    @property
    def membership(self) -> Membership:
        """As of the last poll; any thread may ask."""
        ...


class GroupReadiness:
    """The answer of /readyz of a member of a group. Any thread may ask."""

    def __init__(self, beats: Heartbeats, member: Member) -> None:
        self._beats, self._member = beats, member

    def parts(self) -> list[Part]:
        """Each part with what it waits for."""
        return [self._brokers(), self._partitions()]

    def _brokers(self) -> Part:
        age_s = next(pulse.age_s for pulse in self._beats.pulses() if pulse.name == KAFKA_BEAT)
        return Part("brokers", age_s <= OUTAGE_S, f"the brokers answered {age_s:.0f} s ago")

    def _partitions(self) -> Part:
        is_member, partitions = self._member.membership
        if partitions:
            return Part("partitions", True, f"{partitions} assigned")
        if is_member:
            # Not ready, it would hold up a rollout for ever; and it takes over as soon as another member goes.
            return Part("partitions", True, "standby: the group has as many members as the topic has partitions")
        return Part("partitions", False, "waiting for the group to assign partitions")


class Readiness(GroupReadiness):
    """The answer of a worker's /readyz. It exists only once the model has tagged a probe."""

    def __init__(self, following: Following, beats: Heartbeats, member: Member) -> None:
        super().__init__(beats, member)
        self._following = following

    def parts(self) -> list[Part]:
        """Each part with what it waits for."""
        return [self._following.part(), *super().parts()]
