"""Starts, runs and stops the index process."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from hangtag.access.exposure import is_loopback
from hangtag.processes.stopped_by_signals import stopped_by_signals
from hangtag.server.access import Access
from hangtag.server.certificate import credentials_of
from hangtag.server.errors import ServerError
from hangtag.server.index.blocking import following_blocked_tags
from hangtag.server.index.calls import SERVICE, index_handlers
from hangtag.server.index.follower import INDEX_BEAT, IndexFollower
from hangtag.server.index.repair import from_json
from hangtag.settings import IndexSettings, ServerSettings, Settings, variable_of
from hangtag.tagger.spare_memory import share_memory_between_threads
from hangtag.telemetry import Heartbeats, Part, get_log, metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.telemetry.page import open_page
from hangtag.telemetry.places import stack_of, summary_of

_LIMITS_S = {INDEX_BEAT: 120.0}
_LOOK_EVERY_S = 0.1
# How long a thread may keep others from Python (default 5 ms): a search needs it for less than that.
_SWITCH_S = 0.0005
# More threads than cores would only wait for Python.
_THREADS = 4
# A poll takes half a second, a snapshot of ten million products some seconds.
_CLOSE_WAIT_S = 30.0

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_log = get_log(__name__)


class IndexBound(NamedTuple):
    """The ports of an index process."""

    port: int
    metrics_port: int


def serve_index(
    settings: Settings, stop: threading.Event | None = None, on_ready: Callable[[IndexBound], None] | None = None
) -> None:
    """Keep the index and answer calls until `stop` is set, then write the snapshot and return.

    Without `stop`, SIGTERM, SIGINT and SIGHUP set it and a second one ends the process at once; call it from the main
    thread then. `on_ready` gets the ports as soon as calls are accepted; until the topic is read, health is NOT_SERVING
    and calls end with UNAVAILABLE. Whatever ends it is its last line in the log, with the stack.

    Raises:
        ServerError: the port is in use, other machines would reach it without TLS, or a certificate cannot be used.
        TokensFileError: the file of tokens is missing or wrong.
        SettingsError: the port for metrics is taken.
    """
    with ExitStack() as stack:
        stop = stop or stack.enter_context(stopped_by_signals())
        try:
            _serve(settings, stop, on_ready)
        except Exception as error:
            _log.critical("index_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
            raise
    _log.info("index_stopped")


def _serve(settings: Settings, stop: threading.Event, on_ready: Callable[[IndexBound], None] | None) -> None:
    sys.setswitchinterval(_SWITCH_S)
    share_memory_between_threads()
    beats = Heartbeats(SystemClock(), _LIMITS_S)
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        stop.set()

    access = Access(ServerSettings(tokens_file=settings.index.tokens_file))
    servicer = health.HealthServicer()
    follower = IndexFollower(settings, beats, lambda: _report(servicer, is_serving=True), stop)
    _report(servicer, is_serving=False)
    with ExitStack() as stack:
        server, port = _listen(settings.index, servicer, follower, access)
        stack.callback(lambda: server.stop(0).wait())
        page = open_page(
            "index",
            settings.index,
            metrics.INDEX,
            pulses=beats.pulses,
            details=lambda: _details(follower),
            parts=lambda: [_part(follower)],
            actions={
                "/snapshot": lambda _: _snapshot(follower),
                "/read-again": lambda _: _read_again(follower),
                "/repair": lambda body: _repair(follower, body),
            },
            on_failure=failed,
        )
        bound = IndexBound(port, stack.enter_context(page).port)
        stack.enter_context(following_blocked_tags(settings, follower.block))
        reading = threading.Thread(target=_run, args=(follower, failed), name="index", daemon=True)
        server.start()
        _log.info("index_started", host=settings.index.host, port=port, metrics_port=bound.metrics_port)
        if on_ready is not None:
            on_ready(bound)
        reading.start()
        while reading.is_alive() and not stop.wait(_LOOK_EVERY_S):
            access.refresh()
            access.denials.write()
        stop.set()
        servicer.enter_graceful_shutdown()
        stopping = server.stop(settings.index.grace_s)
        reading.join(_CLOSE_WAIT_S)
        stopping.wait()
        if failures:
            raise failures[0]


def _listen(
    settings: IndexSettings, servicer: health.HealthServicer, follower: IndexFollower, access: Access
) -> tuple[grpc.Server, int]:
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    _check_exposure(settings)
    credentials = credentials_of(settings)
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="call"),
        # A second server on the port would silently receive half of the calls.
        options=[("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=settings.max_concurrent,
    )
    server.add_generic_rpc_handlers((index_handlers(lambda: follower.moment, access),))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    address = f"{host}:{settings.port}"
    try:
        if credentials is None:
            return server, server.add_insecure_port(address)
        return server, server.add_secure_port(address, credentials)
    except RuntimeError as error:
        msg = (
            f"cannot listen on {address}: the port is in use, or this machine does not have that address; stop what "
            f"uses the port, or set {variable_of('index.port')} (0: any free port) or {variable_of('index.host')}"
        )
        raise ServerError(msg) from error


def _check_exposure(settings: IndexSettings) -> None:
    if is_loopback(settings.host):
        return
    if settings.tls_cert_file is None and not settings.allow_plain:
        msg = (
            f"index.host is {settings.host}, so other machines reach the index, and searches would travel unencrypted: "
            f"set {variable_of('index.tls_cert_file')}, or {variable_of('index.allow_plain')}=true where something "
            "else protects the connection"
        )
        raise ServerError(msg)
    if settings.tokens_file is None and settings.tls_client_ca_file is None:
        advice = f"set {variable_of('index.tokens_file')}, or let nobody but servers of Hangtag reach the port"
        _log.warning("exposed", host=settings.host, reason="the index asks callers for nothing", next=advice)


def _report(servicer: health.HealthServicer, *, is_serving: bool) -> None:
    for service in (health.OVERALL_HEALTH, SERVICE):
        servicer.set(service, _SERVING if is_serving else _NOT_SERVING)


def _run(follower: IndexFollower, failed: Callable[[Exception], None]) -> None:
    try:
        follower.run()
    except Exception as error:  # noqa: BLE001 (raised by the main thread)
        failed(error)


def _part(follower: IndexFollower) -> Part:
    moment = follower.moment
    if moment is None:
        return Part("index", False, "the topic is being read")
    return Part("index", True, f"{len(moment.view.products):,} products, {moment.lag_records:,} records behind")


def _details(follower: IndexFollower) -> dict[str, object]:
    moment = follower.moment
    known: dict[str, object] = {
        "is_caught_up": follower.is_caught_up,
        "readings": follower.readings,
        "repairs": follower.repairs,
        "snapshot": follower.snapshot_path,
        "snapshot_ms": follower.snapshot_ms,
    }
    if moment is not None:
        offsets = {str(number): each.offset for number, each in moment.positions.items()}
        known |= {"products": len(moment.view.products), "lag_records": moment.lag_records, "offsets": offsets}
    return known


def _snapshot(follower: IndexFollower) -> dict[str, object]:
    follower.want_snapshot()
    return {"snapshot": follower.snapshot_path, "asked_ms": time.time_ns() // 1_000_000}


def _read_again(follower: IndexFollower) -> dict[str, object]:
    readings = follower.readings
    follower.want_reading_again()
    return {"readings": readings}


def _repair(follower: IndexFollower, body: bytes) -> dict[str, object]:
    wrong, repairs = from_json(body), follower.repairs
    follower.want_repair(wrong)
    return {"repairs": repairs, "products": len(wrong)}
