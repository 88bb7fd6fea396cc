"""Decides which bundle is in use: recorded first, then written to the topic, then to Redis."""

import uuid
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from hangtag.audit import Action, AuditError, AuditRecord, Outcome, Subject
from hangtag.models.decision import Decision, Kind
from hangtag.models.errors import LostRaceError, ModelsError
from hangtag.models.pointer import Pointer
from hangtag.store import StoreError
from hangtag.telemetry.clock import Clock, SystemClock

_ACTIONS = {
    Kind.PROMOTE: Action.PROMOTE,
    Kind.ROLLBACK: Action.ROLLBACK,
    Kind.BLOCK: Action.BLOCK,
    Kind.UNBLOCK: Action.UNBLOCK,
}


class Topic(Protocol):
    """What decisions need of `ModelsTopic`."""

    def append(self, decision: Decision) -> Pointer:
        """See `ModelsTopic`."""
        ...


class Audit(Protocol):
    """What decisions need of `AuditLog`."""

    def append(self, record: AuditRecord) -> None:
        """See `AuditLog`."""
        ...


class Record(Protocol):
    """What decisions need of `PointerRecord`."""

    def write(self, pointer: Pointer) -> bool:
        """See `PointerRecord`."""
        ...


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that took effect. `trouble` says what did not work though it did; empty if everything did."""

    pointer: Pointer
    trouble: str = ""


class Decisions:
    """Writes decisions. `actor` is the pseudonym of who decides, `reason` why."""

    def __init__(
        self, topic: Topic, audit: Audit, record: Record, *, actor: str, reason: str, clock: Clock | None = None
    ) -> None:
        self._topic, self._audit, self._record = topic, audit, record
        self._actor, self._reason, self._clock = actor, reason, clock or SystemClock()

    def decide(
        self,
        kind: Kind,
        before: Pointer | None,
        *,
        route: str,
        bundle_version: str,
        integrity: str,
        blocked: frozenset[str],
    ) -> Decided:
        """Put a bundle into use, with all tags that are blocked from now on. `before` is what the decision is based on.

        The audit trail gets a record before anything changes, and one that says what became of it.

        Raises:
            AuditError: the decision could not be recorded, so nothing was changed.
            LostRaceError: somebody else decided first, so nothing was changed.
            ModelsTopicError: the topic does not acknowledge; the message says whether the decision may take effect.
        """
        decision = Decision(
            decision_id=uuid.uuid4().hex,
            route=route,
            kind=kind,
            expects=before.sequence if before else 0,
            bundle_version=bundle_version,
            integrity=integrity,
            blocked=tuple(sorted(blocked)),
            actor=self._actor,
            reason=self._reason,
            at_ms=self._clock.wall_ms(),
        )
        recorded = self._audit_record(decision, before)
        self._audit.append(recorded)
        try:
            pointer = self._topic.append(decision)
        except LostRaceError:
            self._close(recorded, Outcome.LOST)
            raise
        except ModelsError:
            self._close(recorded, Outcome.FAILED)
            raise
        trouble = []
        try:
            self._record.write(pointer)
        except StoreError as error:
            trouble.append(f"{error}; programs follow it within a minute of the store's return, from the topic")
        trouble += self._close(recorded, Outcome.APPLIED)
        return Decided(pointer, "; ".join(trouble))

    def _close(self, recorded: AuditRecord, outcome: Outcome) -> list[str]:
        try:
            self._audit.append(replace(recorded, at_ms=self._clock.wall_ms(), outcome=outcome))
        except AuditError as error:
            return [str(error)]
        return []

    def _audit_record(self, decision: Decision, before: Pointer | None) -> AuditRecord:
        return AuditRecord(
            request_id=decision.decision_id,
            at_ms=decision.at_ms,
            actor=decision.actor,
            action=_ACTIONS[decision.kind],
            subject_kind=Subject.BUNDLE,
            subject=decision.bundle_version,
            before=_state(before.route, before.bundle_version, before.blocked) if before else "",
            after=_state(decision.route, decision.bundle_version, decision.blocked),
            reason=decision.reason,
        )


def _state(route: str, bundle_version: str, blocked: tuple[str, ...]) -> str:
    return orjson.dumps({"route": route, "bundle_version": bundle_version, "blocked": blocked}).decode()
