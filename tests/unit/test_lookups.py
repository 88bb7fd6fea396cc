"""Look-ups are answered in lists, each with one read of the store."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import grpc
import pytest

from hangtag.server.admission import RefusedError
from hangtag.server.calls import Calls
from hangtag.server.errors import CallError, Reason
from hangtag.server.lane import Lane
from hangtag.server.look_up import NO_DEADLINE, LookUp, batch_parser, parse_get
from hangtag.server.lookups import MAX_PRODUCTS, Answer, Lookups
from hangtag.store import Found, Stored, StoreError
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.v1 import tags_pb2

parse_batch = batch_parser(1_000)


def get(product: str) -> bytes:
    return tags_pb2.GetProductTagsRequest(product_id=product).SerializeToString()


def batch(products: Sequence[str]) -> bytes:
    return tags_pb2.BatchGetProductTagsRequest(product_ids=products).SerializeToString()


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


class Reader:
    """Holds every product in version 1, waits for `gate`, and records what is read. Each read takes a second."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.missing: set[str] = set()
        self.now_ms = 1_000

    def read(self, products: Sequence[str], primary: bool = True) -> Found:  # noqa: ARG002 (named by `TagReader`)
        as_of_ms = self.now_ms
        self.now_ms += 1_000
        self.reads.append(list(products))
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return Found([self.stored(product) for product in products], as_of_ms)

    def stored(self, product: str) -> Stored:
        if product in self.missing:
            return Stored(b"", None, None)
        return Stored(tags_pb2.ProductTags(product_id=product, version=1).SerializeToString(), 1, None)


def found(answer: Answer) -> list[str]:
    """The ids of the products in a reply that have tags."""
    assert isinstance(answer, bytes)
    products = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
    return [each.product_id for each in products if each.version]


def test_a_list_of_look_ups_is_one_read_without_repeated_products() -> None:
    reader = Reader()
    look_ups = [parse_get(get("a")), parse_batch(batch(["b", "a", "b"])), parse_get(get("a")), parse_get(get("c"))]

    one, many, again, last = Lookups(reader).answer(look_ups)

    assert reader.reads == [["a", "b", "c"]]
    assert one == again
    assert found(many) == ["b", "a", "b"]
    assert tags_pb2.GetProductTagsResponse.FromString(last).product_id == "c"


def test_more_products_than_a_read_takes_are_read_in_several() -> None:
    reader = Reader()
    products = ids("p", 1_000)

    (answer,) = Lookups(reader).answer([parse_batch(batch(products))])

    assert found(answer) == products
    assert [len(each) for each in reader.reads] == [MAX_PRODUCTS, MAX_PRODUCTS]
    # The answer holds for the time before the first of the two.
    times = {each.as_of.ToMilliseconds() for each in tags_pb2.BatchGetProductTagsResponse.FromString(answer).products}
    assert times == {1_000}


def test_an_unknown_product_fails_a_single_look_up_and_is_an_entry_of_a_batch() -> None:
    reader = Reader()
    reader.missing = {"gone"}

    single, many = Lookups(reader).answer([parse_get(get("gone")), parse_batch(batch(["gone", "p"]))])

    assert isinstance(single, CallError)
    assert single.reason is Reason.PRODUCT_UNKNOWN
    assert found(many) == ["p"]


def test_a_store_that_cannot_be_read_fails_every_look_up_of_the_list() -> None:
    reader = Reader()
    reader.error = StoreError("gone")
    answers = Lookups(reader).answer([parse_get(get("a")), parse_batch(batch(["b"]))])
    assert [answer.reason for answer in answers] == [Reason.STORE_UNAVAILABLE] * 2

    reader.error = None
    assert isinstance(Lookups(reader).answer([parse_get(get("a"))])[0], bytes)


def test_an_unexpected_error_is_an_answer_too() -> None:
    reader = Reader()
    reader.stored = lambda _: None  # type: ignore[assignment,return-value]

    (answer,) = Lookups(reader).answer([parse_get(get("a"))])

    assert isinstance(answer, CallError)
    assert answer.reason is Reason.INTERNAL_ERROR


def lane_of(look_ups: Sequence[LookUp], most_ids: int) -> list[list[LookUp]]:
    """The lists in which a lane passes look-ups on that wait together."""
    lists: list[list[LookUp]] = []
    lane = Lane("lane", lists.append, SystemClock(), threads=1, most_ids=most_ids)
    lane.put(look_ups)
    while lane.step():
        pass
    return lists


def test_single_look_ups_go_first_and_each_list_has_room_for_a_batch() -> None:
    batches = [parse_batch(batch(ids("b", 4))) for _ in range(3)]
    singles = [parse_get(get(product)) for product in ids("s", 25)]

    lists = lane_of([*batches, *singles], most_ids=10)

    assert lists == [
        [*singles[:10], batches[0]],
        [*singles[10:20], batches[1]],
        [*singles[20:], batches[2]],
    ]


class Sink:
    """Takes answers, by the call's own name."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        self.answers.update(zip((look_up.call for look_up in look_ups), answers, strict=True))
        self.calls.answered(look_ups, answers)

    calls: Calls


@contextmanager
def running(reader: Reader, max_calls: int = 1_000, max_ids: int = 1_000) -> Iterator[tuple[Calls, Sink]]:
    sink = Sink()
    sink.calls = calls = Calls(SystemClock(), Lookups(reader), max_calls, max_ids)
    calls.start(sink)
    try:
        yield calls, sink
    finally:
        reader.gate.set()
        calls.close()


def ask(calls: Calls, name: str, products: Sequence[str], deadline_s: float = NO_DEADLINE) -> LookUp:
    parse, raw = (parse_get, get(products[0])) if len(products) == 1 else (parse_batch, batch(products))
    look_up = calls.look_up(parse, raw, name, deadline_s)
    calls.put([look_up])
    return look_up


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.001)


def blocked(calls: Calls, reader: Reader) -> None:
    """Keep the two threads that read small look-ups busy."""
    reader.gate.clear()
    for number in (1, 2):
        ask(calls, f"blocked-{number}", [f"blocked-{number}"])
        until(lambda number=number: len(reader.reads) == number)


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
        until(lambda: len(reader.reads) == 2)
        ask(calls, "small", ["small"])
        until(lambda: len(reader.reads) == 3)

        assert reader.reads[2] == ["small"]
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
    reader = Reader()
    with running(reader, max_ids=50_000) as (calls, sink):
        # The store is slow: a list takes about 0.2 s.
        for round_ in range(8):
            reader.gate.clear()
            ask(calls, f"slow-{round_}", ["a"])
            time.sleep(0.2)
            reader.gate.set()
            until(lambda round_=round_: len(sink.answers) == round_ + 1)
        reader.reads.clear()
        blocked(calls, reader)
        for number in range(20):
            ask(calls, f"waiting-{number}", ids("w", 100))
        now = time.monotonic()
        with pytest.raises(RefusedError) as caught:
            ask(calls, "hurried", ["h"], now + 0.02)
        ask(calls, "patient", ["p"], now + 60)

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
