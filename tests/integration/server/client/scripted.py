"""A small gRPC server that is not Hangtag's: a test sets how it ends each call, and reads what it got."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from hangtag.server.errors import DETAILS_KEY, CallError
from hangtag.server.methods import SERVICE
from hangtag.v1 import tags_pb2


@dataclass
class Got:
    """A call as it arrived."""

    method: str
    ids: list[str]
    metadata: dict[str, str | bytes]
    at: float = field(default_factory=time.monotonic)


def fresh(product_id: str, as_of: float | None = None) -> tags_pb2.GetProductTagsResponse:
    message = tags_pb2.GetProductTagsResponse(product_id=product_id, version=1, freshness=tags_pb2.FRESHNESS_FRESH)
    message.as_of.FromNanoseconds(int((time.time() if as_of is None else as_of) * 1e9))
    return message


class Scripted:
    """Ends look-ups with the errors in `errors`, one for each call, then answers with what `answer` makes.

    A call that has arrived is in `got`, and waits for `gate`.
    """

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.errors: list[CallError] = []
        self.answer: Callable[[str], tags_pb2.GetProductTagsResponse] = fresh
        self.gate = threading.Event()
        self.gate.set()
        self._server = grpc.server(ThreadPoolExecutor(16))
        handlers = {
            "GetProductTags": grpc.unary_unary_rpc_method_handler(
                self._get,
                tags_pb2.GetProductTagsRequest.FromString,
                tags_pb2.GetProductTagsResponse.SerializeToString,
            ),
            "BatchGetProductTags": grpc.unary_unary_rpc_method_handler(
                self._batch,
                tags_pb2.BatchGetProductTagsRequest.FromString,
                tags_pb2.BatchGetProductTagsResponse.SerializeToString,
            ),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self.gate.set()
        self._server.stop(0).wait()

    def _get(
        self, request: tags_pb2.GetProductTagsRequest, context: grpc.ServicerContext
    ) -> tags_pb2.GetProductTagsResponse:
        self._enter("GetProductTags", [request.product_id], context)
        return self.answer(request.product_id)

    def _batch(
        self, request: tags_pb2.BatchGetProductTagsRequest, context: grpc.ServicerContext
    ) -> tags_pb2.BatchGetProductTagsResponse:
        self._enter("BatchGetProductTags", list(request.product_ids), context)
        return tags_pb2.BatchGetProductTagsResponse(products=[self.answer(each) for each in request.product_ids])

    def _enter(self, method: str, ids: list[str], context: grpc.ServicerContext) -> None:
        self.got.append(Got(method, ids, dict(context.invocation_metadata())))
        error = self.errors.pop(0) if self.errors else None
        self.gate.wait(20)
        if error is not None:
            context.set_trailing_metadata(((DETAILS_KEY, error.details()),))
            context.abort(error.code, error.message)


@contextmanager
def scripting() -> Iterator[Scripted]:
    server = Scripted()
    try:
        yield server
    finally:
        server.stop()
