"""Calls are admitted up to limits, wait beside each other, and are counted."""

import time

import grpc
import pytest

from hangtag.server.access import ANYONE
from hangtag.server.admission import RefusedError
from hangtag.server.calls import MAX_WAITING, Calls
from hangtag.server.errors import CallError, Reason
from hangtag.server.look_up import NO_DEADLINE, LookUp, parse_get
from hangtag.store import Stored
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.unit.look_up_parts import Reader, ask, batch, get, ids, parse_batch, running, until
from tests.unit.worker_parts import Clock as ManualClock


def blocked(calls: Calls, reader: Reader) -> None:
    """Keep the two threads that read small look-ups busy."""
    reader.gate.clear()
    for number in (1, 2):
        ask(calls, f"blocked-{number}", [f"blocked-{number}"])
        until(lambda number=number: len(reader.reads) == number)


@pytest.mark.parametrize(("max_calls", "max_ids"), [(4, 1_000), (1_000, 8), (1_000, 1_000)])
def test_look_ups_that_arrive_together_are_admitted_as_each_alone(max_calls: int, max_ids: int) -> None:
    """Singles and others, with little room and with plenty, and with one that is wrong."""
    arrived = [
        (parse_get, get("a"), "a", NO_DEADLINE, ANYONE),
        (parse_get, b"\xff", "wrong", NO_DEADLINE, ANYONE),
        (parse_batch, batch(ids("b", 3)), "b", NO_DEADLINE, ANYONE),
        (parse_get, get("late"), "late", 0.0, ANYONE),
        *((parse_get, get(name), name, NO_DEADLINE, ANYONE) for name in "cdef"),
    ]
    with (
        running(Reader(), max_calls, max_ids) as (alone, _),
        running(Reader(), max_calls, max_ids) as (together, sink),
    ):
        expected: list[LookUp | CallError] = []
        for each in arrived:
            try:
                expected.append(alone.look_up(*each))
            except CallError as error:
                expected.append(error)
        found = together.look_ups(arrived)

        assert [type(each) for each in found] == [type(each) for each in expected]
        assert [str(each) for each in found if isinstance(each, CallError)] == [
            str(each) for each in expected if isinstance(each, CallError)
        ]
        assert together.in_progress == alone.in_progress == min(max_calls, 6)
        assert together._small_ids.amount == alone._small_ids.amount
        admitted = [each for each in found if isinstance(each, LookUp)]
        together.put(admitted)
        until(lambda: len(sink.answers) == len(admitted))
        assert (together.in_progress, together._small_ids.amount) == (0, 0)


def test_look_ups_collect_while_the_store_is_read() -> None:
    reader = Reader()
    with running(reader) as (calls, sink):
        blocked(calls, reader)
        for name in "abcd":
            ask(calls, name, [name])
        reader.gate.set()
        until(lambda: len(sink.answers) == 6)

    assert [sorted(each) for each in reader.reads[2:]] == [["a", "b", "c", "d"]]
    assert calls.in_progress == 0


def test_a_product_that_is_being_read_is_read_again() -> None:
    # The running read may have missed a write that the later caller knows of.
    reader = Reader()
    with running(reader) as (calls, sink):
        reader.gate.clear()
        ask(calls, "first", ["a"])
        until(lambda: reader.reads)
        ask(calls, "second", ["a"])
        until(lambda: len(reader.reads) == 2)
        reader.gate.set()
        until(lambda: len(sink.answers) == 2)

    assert reader.reads == [["a"], ["a"]]


def test_a_small_look_up_does_not_wait_for_large_ones() -> None:
    reader = Reader()
    with running(reader, max_ids=50_000) as (calls, sink):
        reader.gate.clear()
        for number in range(20):
            ask(calls, f"large-{number}", ids(f"{number}-", 1_000))
        until(lambda: len(reader.reads) == 1)
        ask(calls, "small", ["small"])
        until(lambda: len(reader.reads) == 2)

        assert reader.reads[1] == ["small"]
        reader.gate.set()
        until(lambda: len(sink.answers) == 21)


def test_what_no_caller_waits_for_any_more_is_not_read() -> None:
    reader = Reader()
    before = metrics.CALLS.labels("GetProductTags", "CANCELLED")._value.get()
    with running(reader) as (calls, sink):
        blocked(calls, reader)
        quitter = ask(calls, "quitter", ["quitter"])
        ask(calls, "other", ["other"])
        quitter.is_cancelled = True
        reader.gate.set()
        until(lambda: calls.in_progress == 0)

    assert "quitter" not in sink.answers
    assert not any("quitter" in read for read in reader.reads)
    assert metrics.CALLS.labels("GetProductTags", "CANCELLED")._value.get() == before + 1


def test_ids_are_limited_and_large_look_ups_take_nothing_from_small_ones() -> None:
    reader = Reader()
    with running(reader, max_ids=1_000) as (calls, sink):
        reader.gate.clear()
        ask(calls, "large", ids("l", 900))
        with pytest.raises(RefusedError, match="900 ids are in progress, the maximum is 1000") as caught:
            ask(calls, "too large", ids("m", 101))
        assert caught.value.reason is Reason.TOO_MANY_IDS
        for number in range(10):
            ask(calls, f"small-{number}", ids("s", 100))
        with pytest.raises(RefusedError, match="1000 ids are in progress"):
            ask(calls, "one more", ["x"])
        reader.gate.set()
        until(lambda: len(sink.answers) == 11)

    assert calls.in_progress == 0


def test_calls_are_limited() -> None:
    reader = Reader()
    with running(reader, max_calls=2) as (calls, sink):
        reader.gate.clear()
        ask(calls, "first", ["a"])
        ask(calls, "second", ["b"])
        with pytest.raises(RefusedError) as caught:
            ask(calls, "third", ["c"])
        assert caught.value.reason is Reason.TOO_MANY_CALLS
        reader.gate.set()
        until(lambda: len(sink.answers) == 2)


def test_a_deadline_that_cannot_be_met_is_refused_at_once_with_the_time_to_wait() -> None:
    reader, clock = Reader(), ManualClock()
    with running(reader, max_ids=50_000, clock=clock) as (calls, sink):
        # The store is slow: a list takes 0.2 s.
        for number in range(8):
            reader.gate.clear()
            ask(calls, f"slow-{number}", ["a"])
            until(lambda number=number: len(reader.reads) == number + 1)
            clock.now += 0.2
            reader.gate.set()
            until(lambda number=number: len(sink.answers) == number + 1)
        until(lambda: calls.lanes[0]._list_s > 0.15)
        reader.reads.clear()
        blocked(calls, reader)
        for number in range(20):
            ask(calls, f"waiting-{number}", ids("w", 100))
        with pytest.raises(RefusedError) as caught:
            ask(calls, "hurried", ["h"], clock.now + 0.02)
        ask(calls, "patient", ["p"], clock.now + 60)

        assert caught.value.reason is Reason.DEADLINE_TOO_SHORT
        assert 0.02 < caught.value.retry_after_s < 10
        reader.gate.set()
        until(lambda: "patient" in sink.answers)


def test_a_deadline_that_has_passed_ends_the_call_before_it_is_read() -> None:
    reader = Reader()
    with running(reader) as (calls, _), pytest.raises(CallError) as caught:
        ask(calls, "late", ["a"], time.monotonic() - 1)

    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert reader.reads == []


def test_a_server_that_stops_ends_what_waits_and_refuses_what_comes() -> None:
    reader = Reader()
    with running(reader) as (calls, sink):
        blocked(calls, reader)
        ask(calls, "waiting", ["w"])
        calls.end_running()

        assert sink.answers["waiting"].reason is Reason.SERVER_STOPPING
        with pytest.raises(CallError) as caught:
            ask(calls, "late", ["l"])
        assert caught.value.reason is Reason.SERVER_STOPPING


def test_a_look_up_that_waits_is_answered_with_its_version_and_takes_no_place_of_others() -> None:
    reader, version = Reader(), [1]
    reader.stored = lambda product: Stored(  # type: ignore[assignment]
        tags_pb2.ProductTags(product_id=product, version=version[0]).SerializeToString(), version[0], None
    )
    with running(reader, max_calls=1) as (calls, sink):
        raw = tags_pb2.GetProductTagsRequest(product_id="p", wait_for_version=2).SerializeToString()
        calls.put([calls.look_up(parse_get, raw, "waits", NO_DEADLINE)])
        ask(calls, "other", ["p"])
        until(lambda: "other" in sink.answers)
        assert "waits" not in sink.answers
        version[0] = 2
        until(lambda: "waits" in sink.answers)

    assert tags_pb2.GetProductTagsResponse.FromString(sink.answers["waits"]).version == 2
    assert calls.in_progress == 0


def test_only_so_many_look_ups_wait() -> None:
    reader = Reader()
    with running(reader) as (calls, sink):
        raw = tags_pb2.GetProductTagsRequest(product_id="p", wait_for_version=2).SerializeToString()
        for number in range(MAX_WAITING):
            calls.put([calls.look_up(parse_get, raw, f"waits-{number}", NO_DEADLINE)])
        with pytest.raises(RefusedError) as caught:
            calls.look_up(parse_get, raw, "one too many", NO_DEADLINE)

    assert caught.value.reason is Reason.TOO_MANY_WAITS
    # Closed: they are answered with what there is.
    assert len(sink.answers) == MAX_WAITING
    assert calls.in_progress == 0
