"""The calls of `TagService` over HTTP, answered by the same core as those over gRPC."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from connectrpc.code import Code
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from hangtag.server.admission import JSON, Limit
from hangtag.server.calls import Calls, Method
from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.server.look_up import MAX_REQUEST_BYTES, NO_DEADLINE, Parse
from hangtag.server.lookups import Answer
from hangtag.server.methods import SERVICE, Methods, path_of
from hangtag.server.web.app import ARRIVING, REFUSED_PATH, Arriving, UnreadReplies, too_large
from hangtag.server.web.connect_errors import connect_error
from hangtag.server.web.proto_json import from_json, to_json
from hangtag.tagger.stage_thread import StageThread
from hangtag.telemetry import get_log
from hangtag.v1 import tags_pb2

# Larger messages are converted by a thread: some 100 us on the event loop keep no other call waiting.
_LARGE_BYTES = 4 * 1024
# Fast: a reply of 1,000 products takes 4 ms, and level 6 would take four times as long.
_GZIP_LEVEL = 1

# Of requests in JSON that are not answered: some 130 batches of 1,000 ids, which are seconds of work for the thread.
_MOST_JSON_BYTES = 2 * 1024 * 1024

_log = get_log(__name__)

Context = RequestContext[Any, Any]
Handler = Callable[["Body", Context], Awaitable[bytes]]
# The serialised reply of a serialised request, by a deadline of the monotonic clock.
Answering = Callable[[bytes, float, Arriving], Awaitable[bytes]]


class Body(NamedTuple):
    """The body of a request, as JSON or serialised."""

    data: bytes
    is_json: bool


class _Codec:
    """Leaves bytes as they are: they are converted where the method is known, and errors are counted there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        """As content types name it."""
        return self._name

    def encode(self, message: bytes) -> bytes:
        """The reply."""
        return message

    def decode(self, data: bytes | bytearray, _: type[Body]) -> Body:
        """The request."""
        return Body(bytes(data), self._name == "json")


class Service(ConnectASGIApplication[Any]):
    """An ASGI application with the calls of `TagService`. It runs behind `HttpApp`, which says what arrives."""

    path = f"/{SERVICE}"

    def __init__(self, methods: Methods, calls: Calls, unread: UnreadReplies) -> None:
        self._calls = calls
        self._unread = unread
        self._thread = StageThread("http-json")
        self._json = Limit(_MOST_JSON_BYTES, "bytes of requests in JSON", JSON)
        endpoints: dict[str, Any] = {REFUSED_PATH: _endpoint("", self._refuse)}
        for name, parse in methods.look_ups.items():
            endpoints[path_of(name)] = _endpoint(name, self._handler(name, self._look_up(parse)))
        for name, method in methods.others.items():
            endpoints[path_of(name)] = _endpoint(name, self._handler(name, self._other(method)))
        super().__init__(
            service=self,
            endpoints=lambda _: endpoints,
            interceptors=[self],
            read_max_bytes=MAX_REQUEST_BYTES,
            compressions=[GzipCompression(_GZIP_LEVEL)],
            codecs=[_Codec("json"), _Codec("proto")],
        )

    def close(self) -> None:
        """Release the thread."""
        self._thread.shutdown(wait=False)

    async def on_start(self, context: Context) -> Arriving:
        """Before the body is read; see `MetadataInterceptor`."""
        arriving = ARRIVING.get()
        authorization = context.request_headers.get("authorization")
        try:
            # Whoever may not call learns nothing else.
            if arriving.method:
                arriving.client = self._calls.access.client_of(authorization, arriving.method)
            else:
                self._calls.access.identify(authorization)
            if arriving.refused is not None:
                raise arriving.refused
        except CallError as error:
            self._count(arriving, error)
            raise connect_error(error) from None
        return arriving

    async def on_end(self, arriving: Arriving, _: Context, error: Exception | None, /) -> None:
        """Give an error of the library the reason that it has in gRPC; see `MetadataInterceptor`."""
        if error is None or (isinstance(error, ConnectError) and error.details):
            return
        if isinstance(error, ConnectError):
            ended = _as_in_grpc(error)
        else:
            _log.error("a call failed", error=place_of(error), stack=stack_of(error))
            ended = CallError(Reason.INTERNAL_ERROR, "an error in the server; its log shows where")
        if ended is not None:
            self._count(arriving, ended)
            raise connect_error(ended)

    def _count(self, arriving: Arriving, error: CallError) -> None:
        if arriving.method and not arriving.is_admitted:
            self._calls.refused(arriving.method, error)

    async def _refuse(self, _: Body, __: Context) -> bytes:
        raise AssertionError  # `on_start` has refused it

    def _handler(self, name: str, answering: Answering) -> Handler:
        described = tags_pb2.DESCRIPTOR.services_by_name["TagService"].methods_by_name[name]
        asked, replied = GetMessageClass(described.input_type), GetMessageClass(described.output_type)

        async def handle(body: Body, context: Context) -> bytes:
            arriving = ARRIVING.get()
            try:
                self._unread.check()
                if not body.is_json:
                    return await answering(body.data, self._deadline_s(context), arriving)
                with self._json.during(len(body.data)):
                    raw = await self._converted(from_json, asked, body.data)
                    reply = await answering(raw, self._deadline_s(context), arriving)
                    return await self._converted(to_json, replied, reply)
            except CallError as error:
                self._count(arriving, error)
                raise connect_error(error) from error

        return handle

    def _look_up(self, parse: Parse) -> Answering:
        async def answer(raw: bytes, deadline_s: float, arriving: Arriving) -> bytes:
            future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            look_up = self._calls.look_up(parse, raw, future, deadline_s, arriving.client)
            arriving.is_admitted = True
            self._calls.put([look_up])
            try:
                answer = await future
            except asyncio.CancelledError:
                look_up.is_cancelled = True
                raise
            if isinstance(answer, CallError):
                raise answer
            return answer

        return answer

    def _other(self, method: Method) -> Answering:
        async def answer(raw: bytes, deadline_s: float, arriving: Arriving) -> bytes:
            arriving.is_admitted = True
            return await self._calls.run(method, raw, deadline_s, arriving.client)

        return answer

    async def _converted(
        self, convert: Callable[[type[Message], bytes], bytes], kind: type[Message], raw: bytes
    ) -> bytes:
        if len(raw) <= _LARGE_BYTES:
            return convert(kind, raw)
        return await asyncio.get_running_loop().run_in_executor(self._thread, convert, kind, raw)

    def _deadline_s(self, context: Context) -> float:
        left_ms = context.timeout_ms
        return NO_DEADLINE if left_ms is None else self._calls.clock.monotonic() + left_ms / 1_000


def _endpoint(name: str, handler: Handler) -> Any:
    info = MethodInfo(
        name=name,
        service_name=SERVICE,
        input=Body,
        output=bytes,
        idempotency_level=IdempotencyLevel.UNKNOWN,  # no GET: addresses are logged by proxies, with the texts in them
        stream_type=StreamType.UNARY,
    )
    return Endpoint.unary(info, handler)


_REASONS: Mapping[Code, Callable[[ConnectError], CallError]] = {
    Code.RESOURCE_EXHAUSTED: lambda _: too_large(),
    Code.DEADLINE_EXCEEDED: lambda _: CallError(
        Reason.DEADLINE_PASSED, "the deadline passed before the reply was ready"
    ),
    Code.INVALID_ARGUMENT: lambda error: CallError(Reason.MALFORMED_REQUEST, error.message),
    Code.UNIMPLEMENTED: lambda error: CallError(Reason.MALFORMED_REQUEST, error.message),
}


def _as_in_grpc(error: ConnectError) -> CallError | None:
    """The error as the core would have said it; None: it is sent as it is, since the client is gone."""
    reason = _REASONS.get(error.code)
    return reason(error) if reason is not None else None
