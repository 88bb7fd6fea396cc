"""The transport on gRPC's own server for asyncio."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import grpc

from hangtag.server.admission import Unread
from hangtag.server.calls import Calls, Method
from hangtag.server.certificate import credentials_of
from hangtag.server.connections import close_connections
from hangtag.server.errors import CallError
from hangtag.server.future_sink import FutureSink
from hangtag.server.gate import Context, Gate, abort, calling_client
from hangtag.server.health import HealthServicer
from hangtag.server.listener import address_of, in_use, new_server
from hangtag.server.look_up import NO_DEADLINE, LookUp, Parse
from hangtag.server.lookups import Answer
from hangtag.server.methods import Methods
from hangtag.settings import ServerSettings

Handler = Callable[[bytes, Context], Awaitable[bytes]]

# Smaller unread replies are counted only while there are more calls than this, since it costs as much as the answer.
_COUNTED_BYTES = 16 * 1024
_MANY_UNSENT = 2_000
# gRPC's `stop` sometimes waits longer than the grace period that it is given.
_STOP_LIMIT_S = 5.0


class GrpcioTransport:
    """Serves on a port, which is bound at once.

    A call waits for its answer on a future, and the answers of a list come with one wake-up of the event loop.

    Raises:
        ServerError: it cannot listen on the address.
    """

    name = "grpcio"
    http_port: int | None = None
    # A read of the store takes as much of a core as a call.
    pace_s = 0.0015

    def __init__(
        self,
        settings: ServerSettings,
        methods: Methods,
        servicer: HealthServicer,
        calls: Calls,
        *,
        shares_port: bool = False,
    ) -> None:
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._futures = FutureSink(calls)
        self._unread = Unread()
        self._unsent = 0
        self._arrived: list[LookUp] = []
        handlers = {name: self._look_up(name, parse) for name, parse in methods.look_ups.items()}
        handlers |= {name: self._other(method) for name, method in methods.others.items()}
        # Requests and replies are serialised: `Calls` parses the former, handlers build the latter.
        service = {
            name: grpc.unary_unary_rpc_method_handler(handler, request_deserializer=None, response_serializer=None)
            for name, handler in handlers.items()
        }
        gate = Gate(calls.access, service, calls.refused)
        self._server = new_server(settings, servicer, gate, shares_port=shares_port)
        address, credentials = address_of(settings), credentials_of(settings)
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise in_use(address) from error

    async def start(self) -> None:
        """See `Transport`."""
        await self._server.start()

    @property
    def unsent(self) -> int:
        """See `Transport`."""
        return self._unsent

    async def stop(self) -> None:
        """See `Transport`."""
        # First the connections: gRPC's own stop would end calls that it has not read yet with CANCELLED.
        close_connections(self.port)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT_S):
                await self._server.stop(0)

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        """See `Sink`."""
        self._futures.deliver(look_ups, answers)

    def _look_up(self, name: str, parse: Parse) -> Handler:
        async def call(raw: bytes, context: Context) -> bytes:
            self._enter(context)
            try:
                self._check_unread(context)
                future: asyncio.Future[Answer] = self._loop.create_future()
                look_up = self._calls.look_up(parse, raw, future, self._deadline_s(context), calling_client())
            except CallError as error:
                self._calls.refused(name, error)
                await abort(context, error)
            self._arrived.append(look_up)
            if len(self._arrived) == 1:
                self._loop.call_soon(self._put)
            try:
                answer = await future
            except asyncio.CancelledError:
                look_up.is_cancelled = True
                raise
            if isinstance(answer, CallError):
                await abort(context, answer)
            return self._sending(answer, context)

        return call

    def _other(self, method: Method) -> Handler:
        async def call(raw: bytes, context: Context) -> bytes:
            self._enter(context)
            try:
                self._check_unread(context)
            except CallError as error:
                self._calls.refused(method.name, error)
                await abort(context, error)
            try:
                reply = await self._calls.run(method, raw, self._deadline_s(context), calling_client())
                return self._sending(reply, context)
            except CallError as error:
                await abort(context, error)

        return call

    def _put(self) -> None:
        arrived, self._arrived = self._arrived, []
        self._calls.put(arrived)

    def _enter(self, context: Context) -> None:
        self._unsent += 1
        # Called once the reply is sent, or its connection is closed. The stubs lack the argument.
        context.add_done_callback(self._left)  # type: ignore[arg-type]

    def _left(self, _: Context) -> None:
        self._unsent -= 1

    def _deadline_s(self, context: Context) -> float:
        # None without a deadline, which the type stubs do not say.
        left: float | None = context.time_remaining()
        return NO_DEADLINE if left is None else self._calls.clock.monotonic() + left

    def _check_unread(self, context: Context) -> None:
        if self._unread.is_empty:
            return
        self._unread.check(context.peer())

    def _sending(self, reply: bytes, context: Context) -> bytes:
        size = len(reply)
        if size >= _COUNTED_BYTES or self._unsent > _MANY_UNSENT:
            connection = context.peer()
            self._unread.add(connection, size)
            context.add_done_callback(lambda _: self._unread.remove(connection, size))  # type: ignore[arg-type]
        return reply
