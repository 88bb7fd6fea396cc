"""The program that marks received versions: its reader with Kafka, Redis, signals and the HTTP page."""

import math
import threading
from collections.abc import Callable
from contextlib import ExitStack

from hangtag.processes.stopped_by_signals import stopped_by_signals
from hangtag.settings import Settings
from hangtag.store import RedisTagStore
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.telemetry.page import open_page
from hangtag.telemetry.places import stack_of, summary_of
from hangtag.workers.arrivals import Arrivals
from hangtag.workers.arrivals_reader import ARRIVALS_BEAT, ArrivalsReader
from hangtag.workers.contact import KAFKA_BEAT
from hangtag.workers.readiness import GroupReadiness
from hangtag.workers.store_watch import StoreWatch

# The oldest healthy beats. The brokers' last answer has no limit: a restart does not bring them back.
LIMITS_S = {ARRIVALS_BEAT: 120.0, KAFKA_BEAT: math.inf}
_LOOK_EVERY_S = 0.1
# A commit and leaving the group take up to 3 s and 1 s without brokers, a try of the store its timeout.
_CLOSE_WAIT_S = 10.0

_log = get_log(__name__)


def read_arrivals(
    settings: Settings, stop: threading.Event | None = None, on_ready: Callable[[int], None] | None = None
) -> None:
    """Mark versions as they are received until `stop` is set, then commit and return. It needs no model.

    Without `stop`, SIGTERM, SIGINT and SIGHUP set it and a second one ends the process at once; call it from the main
    thread then. `on_ready` gets the port of `/metrics`, `/healthz` and `/readyz`. Whatever ends it is its last line in
    the log, with the stack.

    Raises:
        SourceError: the topic cannot be read.
        StoreMismatchError: the store does not fit the settings.
        SettingsError: the port for metrics is taken.
    """
    with ExitStack() as stack:
        stop = stop or stack.enter_context(stopped_by_signals())
        try:
            _read(settings, stop, on_ready)
        except Exception as error:
            _log.critical("arrivals_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
            raise
    _log.info("arrivals_stopped")


def _read(settings: Settings, stop: threading.Event, on_ready: Callable[[int], None] | None) -> None:
    clock = SystemClock()
    beats = Heartbeats(clock, LIMITS_S)
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        stop.set()

    with ExitStack() as stack:
        store = RedisTagStore(settings.redis)
        stack.callback(store.close)
        watch = StoreWatch(store, failed)
        stack.callback(watch.close)
        watch.start()
        reader = ArrivalsReader(settings.kafka, Arrivals(store, settings.worker.max_record_bytes), beats, clock)
        page = open_page(
            "arrivals",
            settings.arrivals,
            metrics.ARRIVALS,
            pulses=beats.pulses,
            details=watch.details,
            parts=GroupReadiness(beats, reader).parts,
            on_failure=failed,
        )
        port = stack.enter_context(page).port
        _log.info("arrivals_started", topic=settings.kafka.events_topic, metrics_port=port)
        if on_ready is not None:
            on_ready(port)
        reading = threading.Thread(target=_run, args=(reader, failed), name="arrivals", daemon=True)
        reading.start()
        while reading.is_alive() and not stop.wait(_LOOK_EVERY_S):
            pass
        reader.stop()
        if reader.is_open:
            reading.join(_CLOSE_WAIT_S)
        if failures:
            raise failures[0]


def _run(reader: ArrivalsReader, failed: Callable[[Exception], None]) -> None:
    try:
        reader.read()
    except Exception as error:  # noqa: BLE001 (raised by the main thread)
        failed(error)
