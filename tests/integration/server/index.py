"""An index process in memory: it records what it is asked, and replies what a test says."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from hangtag.index import Change, Index
from hangtag.server.index.calls import index_handlers
from hangtag.server.index.moment import Moment
from hangtag.store import Entry
from hangtag.v1 import tags_pb2, tags_pb2_grpc

SERVICE = "hangtag.v1.TagService"
_METHODS = {
    "FindProducts": tags_pb2.FindProductsResponse,
    "ListTags": tags_pb2.ListTagsResponse,
    "Clarify": tags_pb2.ClarifyResponse,
    "SimilarProducts": tags_pb2.SimilarProductsResponse,
    "TagProfile": tags_pb2.TagProfileResponse,
}


class RecordingIndex(tags_pb2_grpc.TagServiceServicer):
    """An index that does what a test says.

    `asked` has the requests. `replies` has what is replied to a method, or a function of the request; `errors` has the
    status that a method ends with.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.replies: dict[str, Any] = {}
        self.errors: dict[str, tuple[grpc.StatusCode, str]] = {}
        self.left_s: list[float] = []
        self._gate = threading.Event()
        self._gate.set()
        self.health = health.HealthServicer()
        self.set_serving(is_serving=True)
        for name in _METHODS:
            setattr(self, name, self._handler(name))

    def set_serving(self, *, is_serving: bool) -> None:
        """What the index's own health says."""
        status = health_pb2.HealthCheckResponse
        self.health.set(SERVICE, status.SERVING if is_serving else status.NOT_SERVING)

    def hold(self) -> threading.Event:
        """Keep all replies back until the event is set."""
        self._gate = threading.Event()
        return self._gate

    @property
    def last(self) -> Any:
        """The last request."""
        return self.asked[-1]

    def _handler(self, name: str) -> Any:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            self.asked.append(request)
            self.left_s.append(context.time_remaining())
            self._gate.wait(10)
            if name in self.errors:
                context.abort(*self.errors[name])
            reply = self.replies.get(name, _METHODS[name]())
            return reply(request) if callable(reply) else reply

        return handle


@contextmanager
def searching(entries: Sequence[Entry]) -> Iterator[int]:
    """Serve the index itself, with these products, on a port."""
    index = Index()
    index.take([Change.of(each) for each in entries])
    index.build()
    moment = Moment(index.view(), {}, time.time())
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((index_handlers(lambda: moment),))
    bound = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield bound
    finally:
        server.stop(0).wait()


@contextmanager
def indexing(index: RecordingIndex, port: int = 0) -> Iterator[int]:
    """Serve it on a port."""
    server = grpc.server(ThreadPoolExecutor(4))
    tags_pb2_grpc.add_TagServiceServicer_to_server(index, server)
    health_pb2_grpc.add_HealthServicer_to_server(index.health, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(0).wait()
