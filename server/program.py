"""Starts, runs and stops the server."""

import asyncio
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from grpc import aio
from grpc_health.v1 import health

from hangtag.server.coalescer import Coalescer
from hangtag.server.errors import ServerError
from hangtag.server.handlers import Handlers
from hangtag.server.listener import SERVICE, open_listener
from hangtag.server.store_watch import STORE_HEARTBEAT, HealthServicer, StoreWatch
from hangtag.server.suggester import HEARTBEAT, Suggester
from hangtag.settings import ServerSettings, Settings
from hangtag.store import RedisTagReader
from hangtag.telemetry import Heartbeats, TelemetryServer, get_log
from hangtag.telemetry.clock import SystemClock

if TYPE_CHECKING:
    # Importing it loads the engine's runtime; `serve` is passed a tagger.
    from hangtag.tagger.tagger import Tagger

_LOOP_HEARTBEAT = "event loop"
_LOOP_EVERY_S = 1.0
_LOOP_LIMIT_S = 15.0
_BATCH_LIMIT_S = 60.0
# gRPC's `stop` sometimes waits longer than the grace period that it is given.
_STOP_SLACK_S = 5.0

_log = get_log(__name__)


async def serve(
    settings: Settings,
    tagger: "Tagger",
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set; without it, until SIGTERM, SIGINT or SIGHUP.

    `ready` is called with the bound port once calls are accepted. The server also starts while the store cannot be
    reached: its health is NOT_SERVING until then.

    Raises:
        ServerError: a port is in use; the message names the setting.
        EngineDownError: the engine fails on every text.
        StoreMismatchError: the store was written with other settings.
    """
    clock = SystemClock()
    # /healthz shows when the store could last be read, but does not fail for it: a restart would not fix the store.
    beats = Heartbeats(clock, {_LOOP_HEARTBEAT: _LOOP_LIMIT_S, HEARTBEAT: _BATCH_LIMIT_S, STORE_HEARTBEAT: math.inf})
    async with AsyncExitStack() as stack:
        store = RedisTagReader(settings.redis)
        stack.push_async_callback(store.close)
        servicer: HealthServicer = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        watch = StoreWatch(store, servicer, beats, SERVICE)
        await watch.start()
        suggester = Suggester(tagger, settings.server.suggest_token_budget, clock, beats)
        stack.callback(suggester.close)
        handlers = Handlers(Coalescer(store, clock), suggester, settings.server.max_ids)
        listener, port = open_listener(settings.server, handlers, servicer, clock)
        with _telemetry(settings.server, beats) as telemetry, _stopping(stop) as stopped:
            runs = (stopped.wait(), _beat_loop(beats), watch.run(), suggester.run())
            tasks = {asyncio.create_task(each) for each in runs}
            try:
                await listener.start()
                _log.info("serving", host=settings.server.host, port=port, metrics_port=telemetry.port)
                if ready is not None:
                    ready(port)
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                await _drain(listener, watch, settings.server)
                for task in done:
                    task.result()
            finally:
                await listener.stop(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    _log.info("stopped")


async def _drain(listener: aio.Server, watch: StoreWatch, settings: ServerSettings) -> None:
    """Report NOT_SERVING, wait for load balancers to notice, then accept no calls and finish those in progress."""
    _log.info("stopping", drain_s=settings.drain_s, grace_s=settings.grace_s)
    await watch.shut_down()
    await asyncio.sleep(settings.drain_s)
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.grace_s + _STOP_SLACK_S):
            await listener.stop(settings.grace_s)


async def _beat_loop(beats: Heartbeats) -> None:
    """A task of its own that waits for nothing else, so that its heartbeat stops only if the event loop is blocked."""
    while True:
        beats.beat(_LOOP_HEARTBEAT)
        await asyncio.sleep(_LOOP_EVERY_S)


@contextmanager
def _telemetry(settings: ServerSettings, beats: Heartbeats) -> Iterator[TelemetryServer]:
    try:
        server = TelemetryServer(settings.metrics_host, settings.metrics_port, beats.pulses)
    except OSError as error:
        msg = (
            f"cannot listen on {settings.metrics_host}:{settings.metrics_port} for metrics ({error}); "
            "set HANGTAG_SERVER__METRICS_PORT (0: any free port)"
        )
        raise ServerError(msg) from error
    with server:
        yield server


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
