"""Invariant 3 of the worker, over parts in memory: what a bad record affects."""

import pytest
from structlog.testing import capture_logs

from hangtag.engine import DeviceError
from hangtag.records import decode_event
from hangtag.telemetry.places import stack_of
from hangtag.workers import StageError, Unreadable
from hangtag.workers.budget import TokenBudget
from hangtag.write import Reason
from tests.unit.worker_parts import FakeTagger, House, event

# Invariant 3: one bad record never fails its neighbours.


def test_the_bad_text_of_a_failing_batch_is_found_and_the_others_are_tagged():
    house = House()
    for number in range(20):
        house.source.append(event(f"p{number}", 1, "poison" if number == 7 else "shoe"), f"p{number}".encode())

    house.steps()

    assert set(house.versions()) == {f"p{number}" for number in range(20)} - {"p7"}
    [(record, reason)] = house.sink.dead
    assert (record.offset, reason.stage, reason.error) == (7, "forward", "RuntimeError")
    assert reason.attempts > 1
    assert house.committed() == 20


def test_a_text_that_cannot_be_tokenised_becomes_a_dead_letter_alone():
    house = House()
    for number, title in enumerate(["shoe", "untokenisable", "dress"]):
        house.source.append(event(f"p{number}", 1, title), f"p{number}".encode())

    house.steps()

    assert set(house.versions()) == {"p0", "p2"}
    assert [(record.offset, reason.stage) for record, reason in house.sink.dead] == [(1, "encode")]
    assert house.committed() == 3


def test_a_record_on_which_decoding_fails_becomes_a_dead_letter_alone(monkeypatch):
    real = decode_event

    def decode(value, *others):
        if b"p1" in value:
            raise OverflowError
        return real(value, *others)

    monkeypatch.setattr("hangtag.workers.decode.decode_event", decode)
    house = House()
    for number in range(3):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    house.steps()

    assert set(house.versions()) == {"p0", "p2"}
    assert [(record.offset, reason.error) for record, reason in house.sink.dead] == [(1, "OverflowError")]
    assert house.committed() == 3


def test_logs_and_reasons_say_where_a_record_failed_without_quoting_its_text(monkeypatch):
    def fail(what, *_args):
        msg = f"no {what}"
        raise KeyError(msg)

    real = {"encode": FakeTagger.encode, "forward": FakeTagger.forward, "decode": decode_event}
    monkeypatch.setattr(
        FakeTagger,
        "encode",
        lambda self, texts: (
            fail("secret") if any("one" in text.first for text in texts) else real["encode"](self, texts)
        ),
    )
    monkeypatch.setattr(
        FakeTagger,
        "forward",
        lambda self, tokens: (
            fail("secret")
            if any(self.words[each.ids[0]] == "two" for each in tokens)
            else real["forward"](self, tokens)
        ),
    )
    monkeypatch.setattr(
        "hangtag.workers.decode.decode_event",
        lambda value, *others: fail("secret") if b"three" in value else real["decode"](value, *others),
    )
    house = House()
    for number, title in enumerate(["shoe", "one secret", "two secret", "three secret"]):
        house.source.append(event(f"p{number}", 1, title), f"p{number}".encode())

    with capture_logs() as logs:
        house.steps()

    said = {line["stage"]: line for line in logs if line["event"] == "record_failed"}
    assert {stage: line["first"] for stage, line in said.items()} == {
        "encode": "products.events-0@1",
        "forward": "products.events-0@2",
        "decode": "products.events-0@3",
    }
    assert all(line["error"].startswith("KeyError at hangtag.") for line in said.values())
    assert all("test_worker_failures" in line["stack"] for line in said.values())
    assert "secret" not in str(logs)
    reasons = {record.offset: reason for record, reason in house.sink.dead}
    assert {offset: (reason.stage, reason.attempts > 2) for offset, reason in reasons.items()} == {
        1: ("encode", True),
        2: ("forward", True),
        3: ("decode", True),
    }
    assert all(reason.message.endswith("report it with this record") for reason in reasons.values())
    assert "secret" not in str([reason.message for reason in reasons.values()])


def test_many_records_that_fail_alike_are_one_line_of_the_log():
    house = House()
    for number in range(20):
        house.source.append(event(f"p{number}", 1, "untokenisable" if number % 2 else "shoe"), f"p{number}".encode())

    with capture_logs() as logs:
        house.steps()

    assert [line["count"] for line in logs if line["event"] == "record_failed"] == [10]


@pytest.mark.parametrize("title", ["poison", "untokenisable"])
def test_the_event_that_a_bad_record_superseded_is_tagged_instead(title):
    house = House()
    for version in (1, 2):
        house.source.append(event("p1", version), b"p1")
    house.source.append(event("p1", 3, title), b"p1")

    house.steps()

    assert house.versions() == {"p1": 2}
    assert [record.offset for record, _ in house.sink.dead] == [2]
    assert house.committed() == 3


def test_a_batch_too_large_for_memory_is_halved_and_later_ones_are_smaller():
    house = House(FakeTagger(room=8), token_budget=2_048)
    for number in range(64):
        house.source.append(event(f"p{number}", 1, f"shoe {number}"), f"p{number}".encode())

    house.steps()

    assert len(house.versions()) == 64
    assert house.sink.dead == []
    assert house.worker._budget.tokens < 2_048


def test_two_batches_that_were_planned_together_halve_the_budget_once():
    budget = TokenBudget(4_096)
    for _ in range(2):
        budget.ran(4_096, ran_out_of_memory=True)

    assert budget.tokens == 2_048


def test_a_halved_budget_recovers_once_batches_fit():
    budget = TokenBudget(4_096)
    budget.ran(4_096, ran_out_of_memory=True)
    for _ in range(99):
        budget.ran(2_048, ran_out_of_memory=False)
    assert budget.tokens == 2_048

    for _ in range(500):
        budget.ran(budget.tokens, ran_out_of_memory=False)

    assert budget.tokens == 4_096


def test_offsets_that_cannot_be_read_become_one_dead_letter_and_their_partition_goes_on():
    house = House()
    house.source.append(event("p0", 1), b"p0")
    raw = house.source.append(b"\x00raw", None, gap=2)
    reason = Reason("read", "UnreadableBatch", "offsets 1 to 3 cannot be read")
    house.source.unreadable[raw] = Unreadable(raw, reason)
    house.source.append(event("p1", 1), b"p1")

    house.steps()

    assert house.sink.dead == [(raw, reason)]
    assert set(house.versions()) == {"p0", "p1"}
    assert house.committed() == 5


def test_dead_letters_are_logged_with_their_reason():
    house = House()
    house.source.append(b"{", b"p0")

    with capture_logs() as logs:
        house.steps()

    [line] = [line for line in logs if line["event"] == "dead_letters"]
    assert line["stage"] == "decode"
    assert line["error"] == "EventError"
    assert "not valid JSON" in line["message"]


def test_an_engine_that_fails_for_every_text_ends_the_worker_without_dead_letters():
    house = House()
    house.tagger.is_down = True
    for number in range(8):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    with pytest.raises(StageError, match="forward"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)
    assert len(house.tagger.batches) == 2, "the batch and the probe"


def test_too_little_memory_for_one_text_ends_the_worker():
    house = House(FakeTagger(room=0))
    house.source.append(event("p1", 1), b"p1")

    with pytest.raises(StageError, match="OutOfMemory"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)


def test_a_device_that_dies_while_a_bad_text_is_looked_for_condemns_no_text(monkeypatch):
    """It tags the harmless text after the first failure and when the bad text is condemned, and fails from then on."""
    house = House()
    real = FakeTagger.forward
    probes = 0

    def forward(self, tokens):
        nonlocal probes
        self.is_down = probes == 2
        probes += [self.words[each.ids[0]] for each in tokens] == ["blue"]
        return real(self, tokens)

    monkeypatch.setattr(FakeTagger, "forward", forward)
    for number in range(50):
        house.source.append(event(f"p{number}", 1, "poison" if number == 0 else "shoe"), f"p{number}".encode())

    with pytest.raises(StageError, match="EngineDownError"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)


def test_an_engine_that_fails_once_costs_no_record(monkeypatch):
    house = House()
    real = FakeTagger.forward
    calls = 0

    def forward(self, tokens):
        nonlocal calls
        calls += 1
        if calls == 1:
            msg = "a transient error"
            raise RuntimeError(msg)
        return real(self, tokens)

    monkeypatch.setattr(FakeTagger, "forward", forward)
    house.source.append(event("p1", 1), b"p1")

    house.steps()

    assert (house.versions(), house.sink.dead, house.committed()) == ({"p1": 1}, [], 1)


@pytest.mark.parametrize("fault", [MemoryError, OSError, DeviceError])
@pytest.mark.parametrize("stage", ["encode", "forward"])
@pytest.mark.parametrize("title", ["shoe", "dress"])
def test_a_fault_of_memory_disk_or_device_ends_the_worker_without_dead_letters(fault, stage, title, monkeypatch):
    """Whether it meets every text or only one."""
    real = getattr(FakeTagger, stage)

    def fail(self, some):
        words = [self.words[each.ids[0]] if stage == "forward" else each.first.split()[0] for each in some]
        if title in words:
            raise fault
        return real(self, some)

    monkeypatch.setattr(FakeTagger, stage, fail)
    house = House()
    for number in range(50):
        house.source.append(event(f"p{number}", 1, "dress" if number == 30 else "shoe"), f"p{number}".encode())

    with pytest.raises(StageError, match=f"{stage}.*{fault.__name__}") as caught:
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)
    assert fault.__name__ in stack_of(caught.value)


@pytest.mark.parametrize("error", [MemoryError, ValueError])
def test_a_tokenizer_that_fails_for_every_text_ends_the_worker_without_dead_letters(error, monkeypatch):
    def fail(*_args):
        raise error

    monkeypatch.setattr(FakeTagger, "encode", fail)
    house = House()
    for number in range(50):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    with pytest.raises(StageError, match=f"encode.*{error.__name__}"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_decoding_that_fails_for_every_record_ends_the_worker_without_dead_letters(error, monkeypatch):
    def fail(*_args):
        raise error

    monkeypatch.setattr("hangtag.workers.decode.decode_event", fail)
    house = House()
    for number in range(5):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    with pytest.raises(StageError, match=f"encode.*{error.__name__}"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)


def test_the_error_that_ends_the_worker_quotes_no_text(monkeypatch):
    def fail(*_args):
        msg = "a red dress"
        raise KeyError(msg)

    monkeypatch.setattr("hangtag.workers.worker.encode", fail)
    house = House()
    house.source.append(event("p1", 1), b"p1")

    with pytest.raises(StageError, match="KeyError at hangtag.workers.worker:") as caught, capture_logs() as logs:
        house.steps()

    assert "red" not in str(caught.value)
    assert "red" not in str(logs)
