"""Calls of the index over gRPC."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message

from hangtag.index import QueryError, UnknownProductError, View, answers
from hangtag.server.access import Access
from hangtag.server.errors import DETAILS_KEY, CallError, Reason
from hangtag.server.index.moment import Moment
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.places import stack_of
from hangtag.v1 import tags_pb2

SERVICE: str = tags_pb2.DESCRIPTOR.services_by_name["TagService"].full_name

Answer = Callable[[View, Any], Any]

_REQUESTS: Mapping[str, type[Message]] = {
    "FindProducts": tags_pb2.FindProductsRequest,
    "ListTags": tags_pb2.ListTagsRequest,
    "Clarify": tags_pb2.ClarifyRequest,
    "SimilarProducts": tags_pb2.SimilarProductsRequest,
    "TagProfile": tags_pb2.TagProfileRequest,
}
_NOT_COMPLETE = "the index is still reading products.tagged; retry with back-off"

_log = get_log(__name__)


def index_handlers(
    moment: Callable[[], Moment | None], access: Access | None = None
) -> "grpc.GenericRpcHandler[Any, Any]":
    """The methods of `TagService` that the index answers, each from the moment that `moment` returns.

    `access` says who may call; None: everybody.
    """
    who = access or Access()
    handlers = {name: _handler(name, answer, moment, who) for name, answer in answers().items()}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _handler(
    name: str, answer: Answer, moment: Callable[[], Moment | None], access: Access
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    seconds = metrics.INDEX_CALL_SECONDS.labels(name)
    answered = metrics.INDEX_CALLS.labels(name, grpc.StatusCode.OK.name)

    def call(raw: bytes, context: "grpc.ServicerContext") -> bytes:
        started = time.perf_counter()
        try:
            if not access.is_open:
                access.client_of(_authorization(context), name)
            reply = _reply(name, answer, moment(), raw)
        except CallError as error:
            metrics.INDEX_CALLS.labels(name, error.code.name).inc()
            _abort(context, error)
        except Exception as error:  # noqa: BLE001 (the call ends with INTERNAL, and the log has the stack)
            metrics.INDEX_CALLS.labels(name, grpc.StatusCode.INTERNAL.name).inc()
            _log.error("call_failed", method=name, error=type(error).__name__, stack=stack_of(error))
            _abort(context, CallError(Reason.INTERNAL_ERROR, "an error in the index; its log shows where"))
        seconds.observe(time.perf_counter() - started)
        answered.inc()
        return reply

    # Requests and replies are serialised here, so that a request that cannot be read gets a status of ours.
    return grpc.unary_unary_rpc_method_handler(call, request_deserializer=None, response_serializer=None)


def _authorization(context: "grpc.ServicerContext") -> str | None:
    found = dict(context.invocation_metadata()).get("authorization")
    return found if isinstance(found, str) else None


def _reply(name: str, answer: Answer, moment: Moment | None, raw: bytes) -> bytes:
    if moment is None:
        raise CallError(Reason.INDEX_UNAVAILABLE, _NOT_COMPLETE, retry_after_s=1)
    try:
        request = _REQUESTS[name].FromString(raw)
    except (DecodeError, UnicodeDecodeError) as error:
        msg = f"the request is not a serialised {_REQUESTS[name].DESCRIPTOR.full_name}"
        raise CallError(Reason.MALFORMED_REQUEST, msg) from error
    try:
        reply = answer(moment.view, request)
    except QueryError as error:
        raise CallError(Reason.INVALID_REQUEST, str(error)) from error
    except UnknownProductError as error:
        raise CallError(Reason.PRODUCT_UNKNOWN, str(error)) from error
    reply.index.CopyFrom(moment.state())
    serialised: bytes = reply.SerializeToString()
    return serialised


def _abort(context: "grpc.ServicerContext", error: CallError) -> NoReturn:
    context.set_trailing_metadata(((DETAILS_KEY, error.details()),))
    context.abort(error.code, error.message)
    raise AssertionError  # `abort` raises
