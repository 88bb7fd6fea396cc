"""In which order the native transport reads what arrives together, with its real framing and a real client."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health

from hangtag.server.calls import Calls
from hangtag.server.look_up import LookUp, parse_get
from hangtag.server.methods import Methods
from hangtag.server.native_transport import NativeTransport
from hangtag.server.waits import Waits
from hangtag.settings import ServerSettings
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.unit.look_up_parts import Reader, batch, ids, lookups, parse_batch, until

_LIMIT_S = 20


class Hold:
    """Reading a request begins, and waits until it may end."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()


class Served:
    """A transport that has begun to read a request of 1,000 ids, and takes nothing else until that may end.

    `order` has what it began to read since: a product, or the number of ids of a batch.
    """

    def __init__(self) -> None:
        self.order: list[str | int] = []
        # By number of ids.
        self.holds = {1_000: Hold(), 950: Hold()}
        self._started: Future[NativeTransport] = Future()
        self._loop = asyncio.new_event_loop()
        self.calls = Calls(SystemClock(), lookups(Reader()), 1_000, 50_000)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        self._stop = asyncio.Event()

    async def _serve(self) -> None:
        methods = Methods({"GetProductTags": self._read_get, "BatchGetProductTags": self._read_batch}, {})
        settings = ServerSettings(port=0)
        servicer = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        transport = NativeTransport(settings, methods, servicer, self.calls)
        self.calls.start(transport, Waits(lambda *_: [], self.calls.waited, SystemClock(), 1, lambda _: None))
        await transport.start()
        self._started.set_result(transport)
        await self._stop.wait()
        await transport.stop()
        self.calls.close()

    def _read_get(self, raw: bytes) -> LookUp:
        look_up = parse_get(raw)
        self.order.append(look_up.ids[0])
        return look_up

    def _read_batch(self, raw: bytes) -> LookUp:
        look_up = parse_batch(raw)
        self.order.append(len(look_up.ids))
        if (hold := self.holds.get(len(look_up.ids))) is not None:
            hold.has_begun.set()
            assert hold.may_end.wait(_LIMIT_S)
        return look_up

    def start(self) -> None:
        self._thread.start()
        self.transport = self._started.result(_LIMIT_S)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.transport.port}")
        self._tags = tags_pb2_grpc.TagServiceStub(self._channel)
        self.first = self.batch(1_000)
        assert self.holds[1_000].has_begun.wait(_LIMIT_S)
        self.order.clear()

    def close(self) -> None:
        for hold in self.holds.values():
            hold.may_end.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_LIMIT_S)
        self._channel.close()
        self._loop.close()

    def batch(self, count: int) -> grpc.Future:
        request = tags_pb2.BatchGetProductTagsRequest.FromString(batch(ids("product-", count)))
        return self._tags.BatchGetProductTags.future(request, timeout=_LIMIT_S)

    def get(self, product: str) -> grpc.Future:
        return self._tags.GetProductTags.future(tags_pb2.GetProductTagsRequest(product_id=product), timeout=_LIMIT_S)

    def has_arrived(self, calls: int) -> None:
        """Wait until the front has so many calls that are not answered."""
        until(lambda: self.transport.unsent == calls)


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()
    served.start()
    try:
        yield served
    finally:
        served.close()


def test_large_requests_are_read_behind_everything_that_arrived_with_them() -> None:
    with serving() as served:
        large = [served.batch(count) for count in (900, 800, 700)]
        served.has_arrived(4)
        others = [served.get("late"), served.batch(3)]
        served.has_arrived(6)
        served.holds[1_000].may_end.set()

        assert [len(each.result().products) for each in (*large, others[1], served.first)] == [900, 800, 700, 3, 1_000]
        assert others[0].result().product_id == "late"
        assert sorted(map(str, served.order[:2])) == ["3", "late"]
        assert sorted(served.order[2:]) == [700, 800, 900]


def test_between_two_large_requests_it_takes_what_has_arrived_since() -> None:
    """So that a small look-up waits for one large request at most, however many are there."""
    with serving() as served:
        large = [served.batch(count) for count in (950, 950, 950)]
        served.has_arrived(4)
        served.holds[1_000].may_end.set()
        assert served.holds[950].has_begun.wait(_LIMIT_S)
        served.first.result()
        served.has_arrived(3)
        small = served.get("small")
        served.has_arrived(4)
        served.holds[950].may_end.set()

        assert small.result().product_id == "small"
        assert [len(each.result().products) for each in large] == [950] * 3
        assert served.order == [950, "small", 950, 950]


def test_a_large_request_whose_caller_left_is_not_read_but_counted() -> None:
    counter = metrics.CALLS.labels("BatchGetProductTags", "CANCELLED")
    with serving() as served:
        before = counter._value.get()
        gone, stays = served.batch(500), served.batch(600)
        served.has_arrived(3)
        gone.cancel()
        served.has_arrived(2)
        served.holds[1_000].may_end.set()

        assert len(stays.result().products) == 600
        until(lambda: counter._value.get() == before + 1)
        assert served.order == [600]
        with pytest.raises(grpc.FutureCancelledError):
            gone.result()
