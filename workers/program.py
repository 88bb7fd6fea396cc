"""The worker with its real parts."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from hangtag.settings import Settings, SettingsError, WorkerSettings
from hangtag.store import RedisTagStore, StoreError, StoreMismatchError
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.tagger import Tagger
from hangtag.telemetry import Heartbeats, TelemetryServer, get_log
from hangtag.telemetry.clock import SystemClock
from hangtag.workers.kafka_sink import KafkaSink
from hangtag.workers.kafka_source import KafkaSource
from hangtag.workers.retrying_store import PatientStore
from hangtag.workers.threads import open_lanes
from hangtag.workers.worker import Worker

_POLL_LIMIT_S = 30.0
_BATCH_LIMIT_S = 120.0
_DRAIN_S = 20.0

_log = get_log(__name__)


def work(
    settings: Settings,
    tagger: Tagger,
    stop: threading.Event | None = None,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Consume product events until `stop` is set, then finish what is under way (at most 20 s), commit and return.

    Without `stop` SIGTERM and SIGINT set it, a second one ends the process at once; call it from the main thread then.
    `on_ready` is told the port of `/metrics` and `/healthz` once the consumer is open.

    Raises:
        StageError: a stage died; the process has to end.
        SourceError: Kafka cannot be reached, or refuses to be read.
        StoreMismatchError: the store does not fit the settings.
        SettingsError: the port for metrics is taken.
    """
    with ExitStack() as stack:
        stop = stop or stack.enter_context(_signals())
        try:
            _work(settings, tagger, stop, on_ready)
        except Exception as error:
            cause = error.__cause__
            _log.critical("worker_died", error=type(error).__name__, message=str(error), cause=type(cause).__name__)
            raise
    _log.info("worker_stopped")


def _work(settings: Settings, tagger: Tagger, stop: threading.Event, on_ready: Callable[[int], None] | None) -> None:
    clock, give_up = SystemClock(), threading.Event()
    beats = Heartbeats(clock, {"poll": _POLL_LIMIT_S, "batch": _BATCH_LIMIT_S})
    with ExitStack() as stack:
        store = RedisTagStore(settings.redis)
        stack.callback(store.close)
        _look_at(store)
        sink = KafkaSink(settings.kafka)
        stack.callback(sink.close)
        source = KafkaSource(settings.kafka)
        stack.callback(source.close)
        port = stack.enter_context(_telemetry(settings.worker, beats)).port
        stack.callback(give_up.set)
        worker = Worker(
            source=source,
            sink=sink,
            store=PatientStore(store, settings.worker.retry_deadline_s, give_up),
            in_use=TaggerInUse(tagger),
            lanes=open_lanes(),
            clock=clock,
            beats=beats,
            settings=settings.worker,
        )
        _log.info("worker_ready", bundle=tagger.bundle.manifest.name, engine=tagger.engine.name, telemetry_port=port)
        if on_ready is not None:
            on_ready(port)
        worker.run(stop)
        _log.info("worker_draining")
        if not worker.drain(_DRAIN_S):
            _log.warning("drain_incomplete", next="the rest is read again by the next owner of its partitions")


def _look_at(store: RedisTagStore) -> None:
    try:
        store.check()
    except StoreMismatchError:
        raise
    except StoreError as error:
        _log.warning("store_unreachable", message=str(error), next="the worker waits for it before it writes")


def _telemetry(settings: WorkerSettings, beats: Heartbeats) -> TelemetryServer:
    try:
        return TelemetryServer(settings.metrics_host, settings.metrics_port, beats.pulses)
    except OSError as error:
        msg = (
            f"cannot listen on {settings.metrics_host}:{settings.metrics_port} for metrics ({error}); "
            "set HANGTAG_WORKER__METRICS_PORT (0: any free port)"
        )
        raise SettingsError(msg) from error


@contextmanager
def _signals() -> Iterator[threading.Event]:
    stop = threading.Event()

    def first(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, first) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
