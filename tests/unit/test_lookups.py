"""Look-ups are answered in lists, each with one read of the store."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hangtag.server.access import ANYONE
from hangtag.server.admission import RefusedError
from hangtag.server.cache import Cache
from hangtag.server.cached_reader import MAX_PRODUCTS, CachedReader
from hangtag.server.calls import MAX_WAITING, Calls
from hangtag.server.errors import CallError, Reason
from hangtag.server.lane import Lane
from hangtag.server.look_up import NO_DEADLINE, LookUp, batch_parser, parse_get
from hangtag.server.lookups import Answer, Lookups
from hangtag.server.store_gate import StoreGate
from hangtag.server.waits import Waits
from hangtag.server.wire import varint
from hangtag.settings import ServerSettings
from hangtag.store import Found, PartlyReadError, Seen, Stored, StoreError, StoreState
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.v1 import tags_pb2

parse_batch = batch_parser(1_000)
# Field 15, which the requests do not have; as text it is valid.
_UNKNOWN_FIELD = b"\x7a\x00"


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
        self.address = "a stand-in"

    def read(self, products: Sequence[str], primary: bool = True) -> Found:  # noqa: ARG002 (named by `TagReader`)
        as_of_ms = self.now_ms
        self.now_ms += 1_000
        self.reads.append(list(products))
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return Found([self.stored(product) for product in products], as_of_ms)

    def check(self) -> StoreState:
        return StoreState()

    def stored(self, product: str) -> Stored:
        if product in self.missing:
            return Stored(b"", None, None)
        return Stored(tags_pb2.ProductTags(product_id=product, version=1).SerializeToString(), 1, None)


def lookups(reader: Reader, **settings: object) -> Lookups:
    return Lookups(cached(reader, **settings), lambda _: None)


def cached(reader: Reader, **settings: object) -> CachedReader:
    options, clock = ServerSettings(**settings), SystemClock()
    return CachedReader(StoreGate(reader), Cache(options.cache_entries, clock), options, clock)


def found(answer: Answer) -> list[str]:
    """The ids of the products in a reply that have tags."""
    assert isinstance(answer, bytes)
    products = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
    return [each.product_id for each in products if each.version]


def test_a_list_of_look_ups_is_one_read_without_repeated_products() -> None:
    reader = Reader()
    look_ups = [parse_get(get("a")), parse_batch(batch(["b", "a", "b"])), parse_get(get("a")), parse_get(get("c"))]

    one, many, again, last = lookups(reader).answer(look_ups)

    assert reader.reads == [["a", "b", "c"]]
    assert one == again
    assert found(many) == ["b", "a", "b"]
    assert tags_pb2.GetProductTagsResponse.FromString(last).product_id == "c"


def test_more_products_than_a_read_takes_are_read_in_several() -> None:
    reader = Reader()
    products = ids("p", 1_000)

    (answer,) = lookups(reader).answer([parse_batch(batch(products))])

    assert found(answer) == products
    assert [len(each) for each in reader.reads] == [MAX_PRODUCTS, MAX_PRODUCTS]
    times = [each.as_of.ToMilliseconds() for each in tags_pb2.BatchGetProductTagsResponse.FromString(answer).products]
    assert times == [1_000] * MAX_PRODUCTS + [2_000] * MAX_PRODUCTS


def test_an_unknown_product_fails_a_single_look_up_and_is_an_entry_of_a_batch() -> None:
    reader = Reader()
    reader.missing = {"gone"}

    single, many = lookups(reader).answer([parse_get(get("gone")), parse_batch(batch(["gone", "p"]))])

    assert isinstance(single, CallError)
    assert single.reason is Reason.PRODUCT_UNKNOWN
    assert found(many) == ["p"]


def test_a_store_that_cannot_be_read_fails_every_look_up_of_the_list() -> None:
    reader = Reader()
    reader.error = StoreError("gone")
    answers = lookups(reader).answer([parse_get(get("a")), parse_batch(batch(["b"]))])
    assert [answer.reason for answer in answers] == [Reason.STORE_UNAVAILABLE] * 2

    reader.error = None
    assert isinstance(lookups(reader).answer([parse_get(get("a"))])[0], bytes)


def test_an_unexpected_error_is_an_answer_too() -> None:
    reader = Reader()
    reader.stored = lambda _: None  # type: ignore[assignment,return-value]

    (answer,) = lookups(reader).answer([parse_get(get("a"))])

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
    read, errors = cached(reader), []
    sink.calls = calls = Calls(SystemClock(), Lookups(read, lambda _: None), max_calls, max_ids)
    waits = Waits(read.read, calls.waited, SystemClock(), 30, errors.append)
    calls.start(sink, waits)
    waits.start()
    try:
        yield calls, sink
    finally:
        reader.gate.set()
        waits.close()
        calls.close()
        assert errors == []


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


@given(st.one_of(st.binary(max_size=300), st.text(max_size=140).map(str.encode)))
@example(b"x" * 127)
@example(b"x" * 128)
@example(b"x" * 257)
@example(b"")
@example(b"a\xff")
@example("\ud800".encode(errors="surrogatepass"))
def test_a_request_of_an_id_alone_is_read_like_any_other(utf8: bytes) -> None:
    """With the same errors. One with a further field is never read without a message."""
    raw = b"\x0a" + varint(len(utf8)) + utf8

    def outcome(raw: bytes) -> tuple[object, ...]:
        try:
            look_up = parse_get(raw)
        except CallError as error:
            return error.reason, str(error)
        return look_up.ids, look_up.utf8, look_up.min_versions, look_up.wait_version, look_up.tag_filter

    assert outcome(raw) == outcome(raw + _UNKNOWN_FIELD)


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


def test_a_refused_product_is_not_found_for_a_reason_of_its_own_and_an_entry_of_a_batch() -> None:
    reader = Reader()
    reader.stored = lambda _: Stored(b"", None, Seen(7, refused=7))  # type: ignore[assignment]

    single, many = lookups(reader).answer([parse_get(get("p")), parse_batch(batch(["p"]))])

    assert isinstance(single, CallError)
    assert single.reason is Reason.PRODUCT_REFUSED
    assert single.code is grpc.StatusCode.NOT_FOUND
    assert "version 7" in single.message
    assert isinstance(many, bytes)
    (entry,) = tags_pb2.BatchGetProductTagsResponse.FromString(many).products
    assert (entry.freshness, entry.known_version) == (tags_pb2.FRESHNESS_UNKNOWN, 7)
    assert entry.freshness_reason == tags_pb2.FRESHNESS_REASON_VERSION_REFUSED


def test_a_batch_has_a_min_version_for_each_product() -> None:
    raw = tags_pb2.BatchGetProductTagsRequest(product_ids=["a", "b"], min_versions=[1, 2]).SerializeToString()

    (answer,) = lookups(Reader()).answer([parse_batch(raw)])

    assert isinstance(answer, bytes)
    first, second = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
    assert first.freshness == tags_pb2.FRESHNESS_FRESH
    assert second.freshness == tags_pb2.FRESHNESS_STALE
    assert second.freshness_reason == tags_pb2.FRESHNESS_REASON_VERSION_NOT_RECEIVED


def test_without_the_store_what_was_read_before_is_stale_and_other_products_fail() -> None:
    reader = Reader()
    reader.missing = {"gone"}
    reader.now_ms = as_of_ms = SystemClock().wall_ms() - 100
    answering = lookups(reader)
    answering.answer([parse_batch(batch(["a", "gone"]))])
    reader.error = StoreError("away")

    requests = [get("a"), get("gone"), get("b")]
    one, unknown, other = answering.answer([parse_get(each) for each in requests])
    both, some = answering.answer([parse_batch(batch(["a", "gone"])), parse_batch(batch(["a", "b"]))])

    assert isinstance(one, bytes)
    reply = tags_pb2.GetProductTagsResponse.FromString(one)
    assert (reply.version, reply.freshness, reply.as_of.ToMilliseconds()) == (1, tags_pb2.FRESHNESS_STALE, as_of_ms)
    assert reply.freshness_reason == tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE
    # That a product is not there is not said from memory.
    assert [each.reason for each in (unknown, other, some)] == [Reason.STORE_UNAVAILABLE] * 3
    assert isinstance(both, bytes)
    states = [each.freshness for each in tags_pb2.BatchGetProductTagsResponse.FromString(both).products]
    assert states == [tags_pb2.FRESHNESS_STALE, tags_pb2.FRESHNESS_UNKNOWN]


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


def test_a_node_of_a_cluster_that_is_away_fails_the_calls_for_its_products_only() -> None:
    reader = Reader()
    reader.now_ms = SystemClock().wall_ms() - 100
    answering = lookups(reader)
    answering.answer([parse_get(get("kept"))])
    read, away = reader.read, StoreError("a node is away")

    def without_a_node(products: Sequence[str], primary: bool = True) -> Found:
        stored = [
            None if product in ("kept", "lost") else found
            for product, found in zip(products, read(products)[0], strict=True)
        ]
        raise PartlyReadError(str(away), stored, reader.now_ms)

    reader.read = without_a_node  # type: ignore[method-assign]
    requests = [parse_get(get(product)) for product in ("kept", "lost", "a")]
    kept, lost, other, both = answering.answer([*requests, parse_batch(batch(["a", "lost"]))])

    states = [tags_pb2.GetProductTagsResponse.FromString(each).freshness for each in (kept, other)]  # type: ignore[arg-type]
    assert states == [tags_pb2.FRESHNESS_STALE, tags_pb2.FRESHNESS_FRESH]
    assert [each.reason for each in (lost, both)] == [Reason.STORE_UNAVAILABLE] * 2
    # It asks on: other products are read.
    assert isinstance(answering.answer([parse_get(get("b"))])[0], bytes)
