"""The transport on `pygrpc-native`, which does HTTP/2 and gRPC framing in Rust, outside the interpreter's lock.

Calls of `TagService` come from it in lists. Health, reflection and whatever else is called go on to gRPC's own server
behind it, on a Unix socket.
"""

import asyncio
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pygrpc_native import EVENT_CANCEL, NativeGrpcFront

from hangtag.server.access import ANYONE, Client
from hangtag.server.admission import UNREAD, RefusedError
from hangtag.server.calls import Arrived, Calls, Method
from hangtag.server.errors import DETAILS_KEY, CallError
from hangtag.server.gate import Gate, authorization_of
from hangtag.server.health import HealthServicer
from hangtag.server.listener import (
    ABSOLUTE_MAX_METADATA_BYTES,
    PING_EVERY_MS,
    PING_LIMIT_MS,
    address_of,
    in_use,
    new_server,
)
from hangtag.server.look_up import NO_DEADLINE, LookUp, Parse
from hangtag.server.lookups import Answer
from hangtag.server.methods import Methods, path_of
from hangtag.settings import ServerSettings

# Calls in one list. More wait while a list is taken apart, and a list of so many takes about a millisecond.
_MOST_CALLS = 128
# Calls of one connection at a time; its client keeps further ones. It limits the replies that nobody reads.
_MAX_STREAMS = 128
# Replies that nobody reads, of all connections, from which on large look-ups are refused; they take up to 1 MB each.
_MAX_UNREAD = 200
_LOOK_EVERY_S = 0.25
# Larger requests have replies that count.
_LARGE_BYTES = 1_024
# Larger requests take longer to read than all others of a list, so they are read one at a time, behind the others.
_SLOW_BYTES = 4_096
_IO_THREADS = 1
_STOP_LIMIT_S = 5.0

Details = tuple[Any, str, float | None]
# call id, method, request, deadline, client
Other = tuple[int, Method, bytes, float, Client]


class NativeTransport:
    """Serves on a port, which is bound at once.

    One thread takes calls in lists and admits them; it never waits for the store. Large requests it sets aside, and
    reads one of them after each list, so that no other call waits for more than one.

    Raises:
        ServerError: it cannot listen on the address.
    """

    name = "native"
    http_port: int | None = None
    # A read of the store takes as much of a core as some ten calls.
    pace_s = 0.0003

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
        self._is_open = calls.access.is_open
        self._loop = asyncio.get_running_loop()
        self._methods: list[tuple[str, Parse | Method]] = [*methods.look_ups.items(), *methods.others.items()]
        self._names = {parse: name for name, parse in methods.look_ups.items()}
        self._look_ups: dict[int, LookUp] = {}
        self._set_aside: OrderedDict[int, Arrived] = OrderedDict()
        self._unread = 0
        self._looked_s = 0.0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        address = address_of(settings)
        try:
            self._front = NativeGrpcFront(
                address,
                [(path_of(name), False) for name, _ in self._methods],
                io_threads=_IO_THREADS,
                call_details=True,
                metrics=True,
                keepalive_time_ms=PING_EVERY_MS,
                keepalive_timeout_ms=PING_LIMIT_MS,
                max_concurrent_streams=_MAX_STREAMS,
                max_metadata_size=ABSOLUTE_MAX_METADATA_BYTES,
                reuse_port=shares_port,
            )
        except OSError as error:
            raise in_use(address) from error
        self.port = self._front.bound_port
        self._folder = tempfile.TemporaryDirectory(prefix="hangtag-")
        self._fallback = new_server(settings, servicer, Gate(calls.access))
        socket = Path(self._folder.name) / "grpcio.sock"
        self._fallback.add_insecure_port(f"unix:{socket}")
        self._front.set_fallback(str(socket))
        self._thread = threading.Thread(target=self._receive, name="native-receive", daemon=True)

    async def start(self) -> None:
        """See `Transport`."""
        await self._fallback.start()
        self._front.start()
        self._thread.start()

    @property
    def unsent(self) -> int:
        """See `Transport`."""
        counts = self._front.metrics() or {"methods": {}}
        return sum(
            method["started"] - sum(ended["count"] for ended in method["status"].values())
            for method in counts["methods"].values()
        )

    async def stop(self) -> None:
        """See `Transport`."""
        self._front.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT_S):
                await self._fallback.stop(0)
        self._folder.cleanup()

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        """See `Sink`."""
        respond, open_look_ups = self._front.respond, self._look_ups
        sent: list[Answer | None] = []
        for look_up, answer in zip(look_ups, answers, strict=True):
            call_id = look_up.call
            open_look_ups.pop(call_id, None)
            is_there = respond(call_id, answer) if isinstance(answer, bytes) else self._fail(call_id, answer)
            sent.append(answer if is_there else None)
        self._calls.answered(look_ups, sent)

    def _receive(self) -> None:
        while (events := self._front.recv_batch_details(_MOST_CALLS, 0 if self._set_aside else None)) is not None:
            arrived: list[Arrived] = []
            others: list[Other] = []
            for kind, call_id, method_id, request, _, details in events:
                if kind != EVENT_CANCEL:
                    self._sort(call_id, method_id, request or b"", details, arrived, others)
            if arrived:
                self._admit(arrived)
            if others:
                self._on_loop(self._start, others)
            # Last, because a call and its end may come in one list.
            for kind, call_id, *_ in events:
                if kind == EVENT_CANCEL:
                    self._cancel(call_id)
            if self._set_aside:
                self._admit([self._set_aside.popitem(last=False)[1]])

    def _sort(
        self,
        call_id: int,
        method_id: int,
        request: bytes | None,
        details: Details | None,
        arrived: list[Arrived],
        others: list[Other],
    ) -> None:
        """Add a call to the look-ups that arrived, or to the others, or set it aside, or refuse it."""
        name, method = self._methods[method_id]
        assert request is not None
        try:
            client = ANYONE if self._is_open else self._client_of(name, details)
            if isinstance(method, Method):
                others.append((call_id, method, request, self._deadline_s(details), client))
                return
            if len(request) > _LARGE_BYTES:
                self._check_unread()
        except CallError as error:
            self._refuse(call_id, name, error)
        else:
            look_up = (method, request, call_id, self._deadline_s(details), client)
            if len(request) > _SLOW_BYTES:
                self._set_aside[call_id] = look_up
            else:
                arrived.append(look_up)

    def _client_of(self, name: str, details: Details | None) -> Client:
        return self._calls.access.client_of(authorization_of(details[0]) if details else None, name)

    def _admit(self, arrived: Sequence[Arrived]) -> None:
        look_ups: list[LookUp] = []
        for each, found in zip(arrived, self._calls.look_ups(arrived), strict=True):
            if isinstance(found, LookUp):
                look_ups.append(found)
            else:
                self._refuse(each[2], self._names[each[0]], found)
        self._look_ups.update((look_up.call, look_up) for look_up in look_ups)
        if look_ups:
            self._calls.put(look_ups)

    def _refuse(self, call_id: int, name: str, error: CallError) -> None:
        self._calls.refused(name, error)
        self._fail(call_id, error)

    def _check_unread(self) -> None:
        """Raise `RefusedError` if clients do not read their replies. The front does not say which client."""
        now_s = self._calls.clock.monotonic()
        if now_s - self._looked_s > _LOOK_EVERY_S:
            self._looked_s = now_s
            self._unread = self.unsent - self._calls.in_progress
        if self._unread > _MAX_UNREAD:
            message = f"{self._unread} replies were not read by their clients; read yours, then retry"
            raise RefusedError(UNREAD, message)

    def _on_loop(self, function: Any, *arguments: Any) -> None:
        with suppress(RuntimeError):  # the event loop is closed, and with it the server
            self._loop.call_soon_threadsafe(function, *arguments)

    def _deadline_s(self, details: Details | None) -> float:
        left = details[2] if details else None
        return NO_DEADLINE if left is None else self._calls.clock.monotonic() + left

    def _cancel(self, call_id: int) -> None:
        look_up = self._look_ups.pop(call_id, None)
        if look_up is not None:
            look_up.is_cancelled = True
        elif (unread := self._set_aside.pop(call_id, None)) is not None:
            self._calls.gone(self._names[unread[0]], unread[3])
        else:
            self._on_loop(self._cancel_task, call_id)

    def _cancel_task(self, call_id: int) -> None:
        task = self._tasks.get(call_id)
        if task is not None:
            task.cancel()

    def _start(self, others: Sequence[Other]) -> None:
        for call_id, method, request, deadline_s, client in others:
            task = asyncio.create_task(self._run(call_id, method, request, deadline_s, client))
            self._tasks[call_id] = task
            task.add_done_callback(partial(self._forget, call_id))

    def _forget(self, call_id: int, _: asyncio.Task[None]) -> None:
        self._tasks.pop(call_id, None)

    async def _run(self, call_id: int, method: Method, request: bytes, deadline_s: float, client: Client) -> None:
        try:
            reply = await self._calls.run(method, request, deadline_s, client)
        except CallError as error:
            self._fail(call_id, error)
        else:
            self._front.respond(call_id, reply)

    def _fail(self, call_id: int, error: CallError) -> bool:
        return self._front.fail(call_id, error.code.value[0], error.message, [(DETAILS_KEY, error.details())])
