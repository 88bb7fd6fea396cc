"""Look-ups of a stand-in for the store, and calls that ask for them."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hangtag.server.cache import Cache
from hangtag.server.cached_reader import CachedReader
from hangtag.server.calls import Calls
from hangtag.server.look_up import NO_DEADLINE, LookUp, batch_parser, parse_get
from hangtag.server.lookups import Answer, Lookups
from hangtag.server.store_gate import StoreGate
from hangtag.server.waits import Waits
from hangtag.settings import ServerSettings
from hangtag.store import Found, Stored, StoreState
from hangtag.telemetry.clock import Clock, SystemClock
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


class Sink:
    """Takes answers, by the call's own name."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        self.answers.update(zip((look_up.call for look_up in look_ups), answers, strict=True))
        self.calls.answered(look_ups, answers)

    calls: Calls


@contextmanager
def running(
    reader: Reader, max_calls: int = 1_000, max_ids: int = 1_000, clock: Clock | None = None
) -> Iterator[tuple[Calls, Sink]]:
    sink = Sink()
    read, errors = cached(reader), []
    sink.calls = calls = Calls(clock or SystemClock(), Lookups(read, lambda _: None), max_calls, max_ids)
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
    end = time.monotonic() + 25
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.001)
