"""Records of the audit trail: one shape for all decisions, who decided without a name, and written first."""

from dataclasses import replace

import pytest

from hangtag.audit import Action, AuditError, AuditRecord, Outcome, Subject, pseudonym_of
from hangtag.models import Decisions, Kind, LostRaceError, ModelsTopicError, Pointer
from hangtag.store import StoreError
from hangtag.v1 import audit_pb2

RECORD = AuditRecord(
    request_id="r-1",
    at_ms=1_700_000_000_123,
    actor="u-1",
    action=Action.REJECT_TAG,
    subject_kind=Subject.PRODUCT,
    subject="sku-1",
    before='{"band":"AUTO"}',
    after='{"rejected":"color:red"}',
    reason="it is blue",
)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("outcome", Outcome)
def test_bytes_say_what_the_record_says(action, outcome):
    record = replace(RECORD, action=action, outcome=outcome)

    assert AuditRecord.of(record.to_bytes()) == record


def test_the_names_are_those_of_the_contract():
    assert {f"AUDIT_ACTION_{each.name}" for each in Action} == {*audit_pb2.AuditAction.keys()[1:]}
    assert {f"AUDIT_OUTCOME_{each.name}" for each in Outcome} == {*audit_pb2.AuditOutcome.keys()[1:]}


@pytest.mark.parametrize("value", [b"", b"\xff\xff", audit_pb2.AuditRecord(action=99).SerializeToString()])
def test_what_is_no_record_is_an_error(value):
    with pytest.raises(AuditError):
        AuditRecord.of(value)


def test_a_pseudonym_has_no_name_in_it_and_depends_on_the_salt():
    assert pseudonym_of("salt", "ann") == pseudonym_of("salt", "ann")
    assert len({pseudonym_of("salt", "ann"), pseudonym_of("other", "ann"), pseudonym_of("salt", "bob")}) == 3
    assert "ann" not in pseudonym_of("salt", "ann")


class Log(list):
    """What happens, in its order."""

    def __init__(self, **errors: Exception) -> None:
        super().__init__()
        self.errors = errors

    def do(self, what, result=None):
        self.append(what)
        if error := self.errors.get(what):
            raise error
        return result


class Part:
    def __init__(self, log, name):
        self.log, self.name = log, name

    def append(self, made):
        if isinstance(made, AuditRecord):
            return self.log.do(made.outcome.name)
        version, blocked = made.bundle_version, made.blocked
        return self.log.do("topic", Pointer(made.route, made.expects + 1, version, version, blocked, 1, 1))

    def write(self, _):
        return self.log.do("redis", True)


def decide(log):
    parts = [Part(log, name) for name in ("topic", "audit", "redis")]
    return Decisions(*parts, actor="u-1", reason="a test").decide(
        Kind.PROMOTE, None, route="default", bundle_version="a" * 64, integrity="b" * 64, blocked=frozenset()
    )


def test_a_decision_is_recorded_before_it_takes_effect():
    log = Log()

    assert decide(log).pointer.sequence == 1
    assert log == ["DECIDED", "topic", "redis", "APPLIED"]


@pytest.mark.parametrize(
    ("errors", "raised", "happened"),
    [
        ({"DECIDED": AuditError("away")}, AuditError, ["DECIDED"]),
        ({"topic": LostRaceError("lost", None)}, LostRaceError, ["DECIDED", "topic", "LOST"]),
        ({"topic": ModelsTopicError("away")}, ModelsTopicError, ["DECIDED", "topic", "FAILED"]),
    ],
)
def test_what_does_not_take_effect_is_recorded_too(errors, raised, happened):
    log = Log(**errors)

    with pytest.raises(raised):
        decide(log)
    assert log == happened


def test_a_store_that_is_away_does_not_undo_a_decision():
    log = Log(redis=StoreError("away"))

    decided = decide(log)

    assert decided.pointer.sequence == 1
    assert "away" in decided.trouble
    assert log == ["DECIDED", "topic", "redis", "APPLIED"]
