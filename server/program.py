"""Starts, runs and stops the server."""

import asyncio
import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from grpc_health.v1 import health

from hangtag.access import cautions, refusal
from hangtag.following.following import Following
from hangtag.server.access import Access
from hangtag.server.calls import Calls
from hangtag.server.drain import drain
from hangtag.server.errors import ServerError
from hangtag.server.follower import FOLLOWER_BEAT
from hangtag.server.grpcio_transport import GrpcioTransport
from hangtag.server.handlers import Handlers
from hangtag.server.health import Health, HealthServicer
from hangtag.server.lookups import Lookups
from hangtag.server.member import Bound, Member
from hangtag.server.methods import SERVICE, Methods, methods_of
from hangtag.server.page import open_server_page
from hangtag.server.pointer_view import PointerView
from hangtag.server.popular import Popular
from hangtag.server.reading import Reading
from hangtag.server.search import Search
from hangtag.server.store_watch import STORE_HEARTBEAT
from hangtag.server.suggester import HEARTBEAT, SHORT_HEARTBEAT, Suggester
from hangtag.server.transport import Choice, Transport, choose
from hangtag.server.waits import Waits
from hangtag.settings import ServerSettings, Settings
from hangtag.tagger.spare_memory import give_back
from hangtag.telemetry import Heartbeats, TelemetryServer, get_log, metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.telemetry.places import stack_of, summary_of

if TYPE_CHECKING:
    # Importing them loads the engine's runtime; `serve` is passed what has one.
    from hangtag.bundle import Bundle
    from hangtag.tagger.tagger import Tagger

_LOOP_HEARTBEAT = "event loop"
_LOOP_EVERY_S = 1.0
_LOOP_LIMIT_S = 15.0
_BATCH_LIMIT_S = 60.0
# How long a thread may keep others from Python (default 5 ms): a large look-up and a batch of texts work for some
# milliseconds, and a single look-up needs Python several times.
_SWITCH_S = 0.001
_FOLLOWER_LIMIT_S = 120.0
# It takes a few milliseconds, in which other threads may have to wait for memory.
_MEMORY_EVERY_S = 30.0

# /healthz shows when the store could last be read, but does not fail for it: a restart would not fix the store.
_LIMITS_S = {
    _LOOP_HEARTBEAT: _LOOP_LIMIT_S,
    HEARTBEAT: _BATCH_LIMIT_S,
    SHORT_HEARTBEAT: _BATCH_LIMIT_S,
    FOLLOWER_BEAT: _FOLLOWER_LIMIT_S,
    STORE_HEARTBEAT: math.inf,
}

_log = get_log(__name__)


async def serve(
    settings: Settings,
    tagger: "Tagger | Following",
    ready: Callable[[Bound], None] | None = None,
    stop: asyncio.Event | None = None,
    member: Member | None = None,
) -> None:
    """Serve until `stop` is set; without it, until SIGTERM, SIGINT or SIGHUP.

    `tagger` is what tags texts; one that follows the pointer is started here, and its caller closes it.

    `ready` is called with the bound ports once calls are accepted. `member` is given to one of several processes. The
    server also starts while the store cannot be reached: its health is NOT_SERVING until then. Whatever ends it is its
    last line in the log, with the stack.

    Raises:
        ServerError: a port is in use, or a setting cannot be followed; the message names the setting.
        TokensFileError: the file of tokens is missing or wrong.
        FaultError: the engine fails on every text, or memory, disk or device do.
        StoreMismatchError: the store was written with other settings.
    """
    try:
        await _serve(settings, Following.of(tagger), ready, stop, member)
    except Exception as error:
        _log.critical("server_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
        raise
    _log.info("stopped")


async def _serve(
    settings: Settings,
    following: Following,
    ready: Callable[[Bound], None] | None,
    stop: asyncio.Event | None,
    member: Member | None,
) -> None:
    sys.setswitchinterval(_SWITCH_S)
    chosen = _chosen(settings.server)
    _check_exposure(settings.server, member)
    clock = SystemClock()
    access = Access(settings.server, clock)
    beats = Heartbeats(clock, _LIMITS_S)
    loop = asyncio.get_running_loop()
    died: asyncio.Future[None] = loop.create_future()

    def fail(error: Exception) -> None:
        loop.call_soon_threadsafe(_set_exception, died, error)

    async with AsyncExitStack() as stack:
        servicer: HealthServicer = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        limits = settings.server
        state = Health(servicer, SERVICE, limits.cache_stale_s if limits.cache_entries else 0)
        reading = Reading(settings, clock, beats, state.report, fail)
        stack.callback(reading.close)
        await asyncio.to_thread(reading.start)
        suggester = Suggester(following.in_use, limits, clock, beats, short_lane=settings.model.short_lane)
        stack.callback(suggester.close)
        handlers = Handlers(suggester)
        stack.callback(handlers.close)
        search = await stack.enter_async_context(
            Search(limits, suggester, lambda: following.in_use.current.tagger.bundle, servicer, clock)
        )
        lookups = Lookups(reading.reader, reading.eta.of, popular := Popular(), _pointer_view(following))
        calls = Calls(clock, lookups, limits.max_concurrent, limits.max_ids_in_progress, access)
        stack.callback(calls.close)
        waits = Waits(reading.reader.read, calls.waited, clock, limits.wait_limit_s, fail)
        stack.callback(waits.close)
        reading.follow(waits)
        methods = methods_of(handlers, limits.max_ids, search.methods())
        transport = _open(chosen, limits, methods, servicer, state, calls, fail, shares_port=member is not None)
        page = _page(limits, beats, reading, following, popular, fail)
        with page, _stopping(stop) as stopped:
            runs = (
                stopped.wait(),
                _beat_loop(beats, calls),
                _refresh(access),
                _give_memory_back(),
                suggester.run(),
                search.run(),
                _wait_for(died),
            )
            tasks = set(map(asyncio.create_task, runs))
            try:
                calls.start(transport, waits, transport.pace_s)
                waits.start()
                await transport.start()
                following.start(fail)
                bound = Bound(transport.port, page.port, transport.http_port)
                _say_ready(limits.host, bound, ready, member, partial(_stop_soon, loop, stopped))
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                reading.stop_following()
                await drain(transport, state, calls, waits, limits)
                for task in done:
                    task.result()
            finally:
                await transport.stop()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _page(
    settings: ServerSettings,
    beats: Heartbeats,
    reading: Reading,
    following: Following,
    popular: Popular,
    on_failure: Callable[[Exception], None],
) -> TelemetryServer:
    return open_server_page(
        settings,
        metrics.SERVER,
        pulses=beats.pulses,
        details=lambda: {**reading.watch.details(), **following.details()},
        parts=lambda: [following.part(), reading.watch.part()],
        pages={"/popular": popular.page},
        on_failure=on_failure,
    )


def _bundle_of(following: Following) -> "Callable[[], Bundle]":
    return lambda: following.in_use.current.tagger.bundle


def _pointer_view(following: Following) -> PointerView:
    view = PointerView(lambda: following.in_use.current.tagger.bundle.schema)
    following.listen(view.take)
    return view


def _chosen(settings: ServerSettings) -> Choice:
    chosen = choose(settings)
    _log.info("transport", name=chosen.name, reason=chosen.reason)
    return chosen


def _check_exposure(settings: ServerSettings, member: Member | None) -> None:
    if (reason := refusal(settings)) is not None:
        raise ServerError(reason)
    if member is None or member.number == 0:
        for caution in cautions(settings):
            _log.warning("exposed", reason=caution)


def _open(
    chosen: Choice,
    settings: ServerSettings,
    methods: Methods,
    servicer: HealthServicer,
    health: Health,
    calls: Calls,
    on_failure: Callable[[Exception], None],
    *,
    shares_port: bool,
) -> Transport:
    transport: Transport
    if chosen.name == "grpcio":
        transport = GrpcioTransport(settings, methods, servicer, calls, shares_port=shares_port)
    else:
        # Its package may not be installed.
        from hangtag.server.native_transport import NativeTransport  # noqa: PLC0415 (an extra)

        transport = NativeTransport(settings, methods, servicer, calls, shares_port=shares_port)
    if settings.http_port is None:
        return transport
    from hangtag.server.web.both import BothTransports  # noqa: PLC0415 (an extra)
    from hangtag.server.web.transport import HttpTransport  # noqa: PLC0415 (an extra)

    http = HttpTransport(settings, methods, health, calls, on_failure, shares_port=shares_port)
    return BothTransports(transport, http, calls)


def _say_ready(
    host: str,
    bound: Bound,
    ready: Callable[[Bound], None] | None,
    member: Member | None,
    stop_soon: Callable[[], None],
) -> None:
    _log.info("serving", host=host, **bound.ports())
    if member is not None:
        member.watch(stop_soon)
        member.ready(bound)
    if ready is not None:
        ready(bound)


def _stop_soon(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the event loop is closed
        loop.call_soon_threadsafe(stopped.set)


async def _beat_loop(beats: Heartbeats, calls: Calls) -> None:
    """A task of its own that waits for nothing else, so that its heartbeat stops only if the event loop is blocked."""
    while True:
        beats.beat(_LOOP_HEARTBEAT)
        calls.refusals.write()
        calls.access.denials.write()
        await asyncio.sleep(_LOOP_EVERY_S)


async def _refresh(access: Access) -> None:
    while True:
        await asyncio.sleep(_LOOP_EVERY_S)
        await asyncio.to_thread(access.refresh)


async def _give_memory_back() -> None:
    """What large replies took is of no use to the next small ones."""
    while True:
        await asyncio.sleep(_MEMORY_EVERY_S)
        await asyncio.to_thread(give_back)


def _set_exception(died: asyncio.Future[None], error: Exception) -> None:
    if not died.done():
        died.set_exception(error)


async def _wait_for(died: asyncio.Future[None]) -> None:
    await died


@contextmanager
def _stopping(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    """`stop` if given, else an event that SIGTERM, SIGINT and SIGHUP set. A second signal ends the process at once."""
    if stop is not None:
        yield stop
        return
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` lets it be ignored
        signals.append(signal.SIGHUP)

    def on_signal() -> None:
        stopped.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, on_signal)
    try:
        yield stopped
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
