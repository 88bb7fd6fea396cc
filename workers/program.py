"""The worker program: the loop with Kafka, Redis, signals and the HTTP page."""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from hangtag.following.following import Following
from hangtag.kafka.decision_topics import check_models_topic
from hangtag.kafka.tagged_topic import unknown_topics
from hangtag.kafka.topic_config import TopicConfigError
from hangtag.processes.stopped_by_signals import stopped_by_signals
from hangtag.settings import Settings
from hangtag.store import RedisTagStore, TextStore
from hangtag.tagger.tagger import Tagger
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.telemetry.page import open_page
from hangtag.telemetry.places import stack_of, summary_of
from hangtag.workers.contact import KAFKA_BEAT
from hangtag.workers.kafka_source import KafkaSource
from hangtag.workers.opening import open_unless_stopped
from hangtag.workers.progress import ProgressReport
from hangtag.workers.readiness import Readiness
from hangtag.workers.retrying_store import RetryingStore
from hangtag.workers.source import SourceError
from hangtag.workers.store_watch import StoreWatch
from hangtag.workers.tail import TailRepair
from hangtag.workers.tail_reader import TAIL_BEAT, TailReader
from hangtag.workers.threads import open_threads
from hangtag.workers.worker import StageError, Worker
from hangtag.write import KafkaSink

# The oldest healthy beats. The brokers' last answer has no limit: a restart does not bring them back.
LIMITS_S = {"poll": 30.0, "batch": 120.0, TAIL_BEAT: 120.0, KAFKA_BEAT: math.inf}
DRAIN_S = 20.0

_log = get_log(__name__)


def work(
    settings: Settings,
    tagger: Tagger | Following,
    stop: threading.Event | None = None,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Consume product events until `stop` is set, then finish what was polled (at most 20 s), commit and return.

    `tagger` is what tags; one that follows the pointer is started here, and its caller closes it.

    Without `stop`, SIGTERM, SIGINT and SIGHUP set it and a second one ends the process at once; call it from the main
    thread then. `on_ready` gets the port of `/metrics`, `/healthz` and `/readyz` once the consumer is open. Whatever
    ends it is its last line in the log, with the stack.

    Raises:
        StageError: a stage or a thread beside them failed; the process has to end.
        SourceError: Kafka cannot be reached or read, a topic is missing, or `products.tagged` is configured wrongly.
        StoreMismatchError: the store does not fit the settings.
        SettingsError: the port for metrics is taken.
    """
    with ExitStack() as stack:
        stop = stop or stack.enter_context(stopped_by_signals())
        try:
            _work(settings, Following.of(tagger), stop, on_ready)
        except Exception as error:
            _log.critical("worker_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
            raise
    _log.info("worker_stopped")


def _work(
    settings: Settings, following: Following, stop: threading.Event, on_ready: Callable[[int], None] | None
) -> None:
    clock, give_up = SystemClock(), threading.Event()
    beats = Heartbeats(clock, LIMITS_S)
    failures: list[StageError] = []

    def failed(thread: str) -> Callable[[Exception], None]:
        def fail(error: Exception) -> None:
            failure = StageError(f"the {thread} failed: {summary_of(error)}")
            failure.__cause__ = error
            failures.append(failure)
            stop.set()

        return fail

    in_use = following.in_use
    with ExitStack() as stack:
        store = RedisTagStore(settings.redis)
        stack.callback(store.close)
        texts = TextStore(settings.redis) if settings.redis.texts else None
        if texts is not None:
            stack.callback(texts.close)
        watch = StoreWatch(store, failed("store watch"))
        stack.callback(watch.close)
        watch.start()
        sink = KafkaSink(settings.kafka)
        stack.callback(sink.close)
        _log.info("connecting", bootstrap=settings.kafka.bootstrap)
        source = open_unless_stopped(lambda: _open_source(settings), stop)
        if source is None:
            _raise_first(failures)
            return
        stack.callback(source.close)
        tail_sink = KafkaSink(settings.kafka, "hangtag-tail")
        stack.callback(tail_sink.close)
        tail = TailReader(settings.kafka, TailRepair(store, tail_sink), beats, clock, failed("tail reader"))
        worker = Worker(
            source=source,
            sink=sink,
            store=RetryingStore(store, settings.worker.retry_deadline_s, give_up),
            in_use=in_use,
            threads=open_threads(in_use.current.tagger.engine.cost.at_once),
            clock=clock,
            beats=beats,
            settings=settings.worker,
            keeps_texts=bool(settings.kafka.texts_topic),
            keeps_vectors=bool(settings.kafka.vectors_topic),
            texts=texts,
        )
        telemetry = open_page(
            "worker",
            settings.worker,
            metrics.WORKER,
            pulses=beats.pulses,
            details=lambda: {**watch.details(), **following.details()},
            parts=Readiness(following, beats, source).parts,
            actions={"/resume": lambda _: {"resumed": worker.read_on()}},
            on_failure=failed("telemetry"),
        )
        port = stack.enter_context(telemetry).port
        report = ProgressReport(worker.progress, store, failed("progress report"))
        stack.callback(report.close)
        stack.callback(give_up.set)
        report.start()
        tail.start()
        stack.callback(tail.close)
        following.start(failed("bundle follower"))
        _log.info("worker_ready", **following.names(), metrics_port=port)
        if on_ready is not None:
            on_ready(port)
        worker.run(stop)
        _raise_first(failures)
        _log.info("worker_draining")
        tail.stop()
        # From now on a call to a store that does not answer is not repeated for long.
        give_up.set()
        if not worker.drain(DRAIN_S):
            _log.warning("drain_incomplete", next="the next owner of the partitions reads the rest again")
        # Before everything else is closed, which takes seconds: until then nobody reads the partitions.
        source.close()


def _raise_first(failures: Sequence[StageError]) -> None:
    if failures:
        raise failures[0]


def _open_source(settings: Settings) -> KafkaSource:
    source = KafkaSource(settings.kafka, settings.redis.deleted_ttl_s)
    try:
        _check_topics(settings)
    except BaseException:
        source.close()
        raise
    return source


def _check_topics(settings: Settings) -> None:
    try:
        unknown = unknown_topics(settings.kafka, settings.redis.deleted_ttl_s)
        if settings.models.store is not None and not check_models_topic(settings.kafka):
            unknown = [*unknown, settings.kafka.models_topic]
    except TopicConfigError as error:
        raise SourceError(str(error)) from error
    for topic in unknown:
        _log.warning("topic_configuration_unknown", topic=topic, next="allow DescribeConfigs, or check it by hand")
