"""A record of the audit trail, and its bytes."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.audit.errors import AuditError
from hangtag.v1 import audit_pb2

# Characters; a reason is a sentence or two, not a document.
MAX_REASON: Final = 1_000
HEADERS: Final = (("content-type", b"application/x-protobuf"),)


class Action(Enum):
    """What was decided."""

    PROMOTE = audit_pb2.AUDIT_ACTION_PROMOTE
    ROLLBACK = audit_pb2.AUDIT_ACTION_ROLLBACK
    BLOCK = audit_pb2.AUDIT_ACTION_BLOCK
    UNBLOCK = audit_pb2.AUDIT_ACTION_UNBLOCK
    ACCEPT_TAG = audit_pb2.AUDIT_ACTION_ACCEPT_TAG
    REJECT_TAG = audit_pb2.AUDIT_ACTION_REJECT_TAG


class Subject(Enum):
    """What a decision is about."""

    BUNDLE = audit_pb2.AUDIT_SUBJECT_BUNDLE
    PRODUCT = audit_pb2.AUDIT_SUBJECT_PRODUCT


class Outcome(Enum):
    """What became of a decision: DECIDED is written first, one of the others after it."""

    DECIDED = audit_pb2.AUDIT_OUTCOME_DECIDED
    APPLIED = audit_pb2.AUDIT_OUTCOME_APPLIED
    LOST = audit_pb2.AUDIT_OUTCOME_LOST
    FAILED = audit_pb2.AUDIT_OUTCOME_FAILED


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One decision, or what became of it; see `audit.proto`.

    Attributes:
        request_id: of the request, or of the run of a command, that decided.
        at_ms: when the record was made, in ms since 1970 by the clock of whoever decided.
        actor: who decided, a pseudonym.
        action: what was decided.
        subject_kind: what kind of thing `subject` is.
        subject: version of a bundle, or id of a product; the key of the record.
        before: what held before, as JSON; empty if nothing did.
        after: what holds if the decision takes effect, as JSON.
        reason: why, at most `MAX_REASON` characters.
        outcome: what became of it.
    """

    request_id: str
    at_ms: int
    actor: str
    action: Action
    subject_kind: Subject
    subject: str
    before: str
    after: str
    reason: str
    outcome: Outcome = Outcome.DECIDED

    def to_bytes(self) -> bytes:
        """The value of the record: a serialised `hangtag.v1.AuditRecord`."""
        time = Timestamp(seconds=self.at_ms // 1_000, nanos=self.at_ms % 1_000 * 1_000_000)
        return audit_pb2.AuditRecord(
            request_id=self.request_id,
            time=time,
            actor=self.actor,
            action=self.action.value,
            subject_kind=self.subject_kind.value,
            subject=self.subject,
            before=self.before,
            after=self.after,
            reason=self.reason,
            outcome=self.outcome.value,
        ).SerializeToString(deterministic=True)

    @classmethod
    def of(cls, value: bytes) -> Self:
        """The record that these bytes say.

        Raises:
            AuditError: they are no such record, or one of a newer release.
        """
        try:
            found = audit_pb2.AuditRecord.FromString(value)
            return cls(
                found.request_id,
                found.time.seconds * 1_000 + found.time.nanos // 1_000_000,
                found.actor,
                Action(found.action),
                Subject(found.subject_kind),
                found.subject,
                found.before,
                found.after,
                found.reason,
                Outcome(found.outcome),
            )
        except (DecodeError, ValueError) as error:
            msg = "not a record of the audit trail that this release can read"
            raise AuditError(msg) from error
