"""All metrics, in one registry per program, so that a program exports its own metrics only.

Labels with a fixed set of values have all of them from the start: a counter that appears with its first count cannot be
used in a rate.
"""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400)

WORKER, ARRIVALS, SERVER, INDEX = (CollectorRegistry() for _ in range(4))

disable_created_metrics()  # type: ignore[no-untyped-call] # not annotated
for _registry in (WORKER, ARRIVALS, SERVER, INDEX):
    ProcessCollector(registry=_registry)
    PlatformCollector(registry=_registry)


class ManyHistogram(Histogram):
    """A histogram that counts many equal values at once."""

    def observe_many(self, amount: float, count: int) -> None:
        """Observe `amount` `count` times."""
        self._sum.inc(amount * count)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(count)


def _with_values(metric: MetricWrapperBase, values: Iterable[str]) -> None:
    for value in values:
        metric.labels(value)


# Worker
RECORDS_POLLED = Counter("hangtag_records_polled", "Records read from products.events", registry=WORKER)
RECORDS_SETTLED = Counter("hangtag_records_settled", "Records settled, by outcome", ["outcome"], registry=WORKER)
_with_values(RECORDS_SETTLED, ("written", "same", "older", "superseded", "deleted", "dead_letter"))
RECORDS_WAITING = Gauge("hangtag_records_waiting", "Records polled but not yet settled", registry=WORKER)
OLDEST_UNSETTLED_SECONDS = Gauge(
    "hangtag_oldest_unsettled_seconds",
    "Age of the oldest unsettled record of an assigned partition, by its timestamp",
    ["partition"],
    registry=WORKER,
)
LAG_RECORDS = Gauge(
    "hangtag_lag_records",
    "Records of an assigned partition from the first that is not settled to its end",
    ["partition"],
    registry=WORKER,
)
DRAIN_SECONDS = Gauge(
    "hangtag_drain_seconds",
    "Time until the lag is settled at the rate of about the last minute; +Inf while nothing settles",
    registry=WORKER,
)
LISTING_TO_TAGS_SECONDS = Histogram(
    "hangtag_listing_to_tags_seconds",
    "Time from a record's timestamp until it is settled",
    buckets=_AGE_BUCKETS,
    registry=WORKER,
)
DEAD_LETTERS = Counter(
    "hangtag_dead_letters", "Dead letters, by the stage that refused the record", ["stage"], registry=WORKER
)
_with_values(DEAD_LETTERS, ("read", "decode", "validate", "encode", "forward"))
STAGE_SECONDS = Histogram(
    "hangtag_stage_seconds", "Duration of a stage for one batch", ["stage"], buckets=_STAGE_BUCKETS, registry=WORKER
)
_with_values(STAGE_SECONDS, ("encode", "forward", "write"))
REUSED_TAGS = Counter(
    "hangtag_reused_tags",
    "Products that needed no engine, by where the tags of the same text were: in the store, or in the same batch",
    ["source"],
    registry=WORKER,
)
_with_values(REUSED_TAGS, ("store", "batch"))
TAGGED_PRODUCTS = Counter(
    "hangtag_tagged_products",
    "Products whose tags were written, by bundle and its place in the order of releases; 0: it was not promoted",
    ["bundle", "sequence"],
    registry=WORKER,
)
PAUSED = Gauge(
    "hangtag_polling_paused", "1 while polling is paused for the reason, else 0", ["reason"], registry=WORKER
)
_with_values(PAUSED, ("full", "store", "sink", "dead_letters"))
RETRIES = Counter("hangtag_retries", "Retried calls, by the system called", ["system"], registry=WORKER)
_with_values(RETRIES, ("store", "sink"))
ASSIGNED_PARTITIONS = Gauge("hangtag_assigned_partitions", "Partitions that this worker reads", registry=WORKER)
REBALANCES = Counter("hangtag_rebalances", "Changes of the assigned partitions", registry=WORKER)
FAILED_COMMITS = Counter("hangtag_failed_commits", "Commits of offsets that were refused or failed", registry=WORKER)
TAIL_REPAIRS = Counter(
    "hangtag_tail_repairs", "Records produced again because products.tagged was behind the store", registry=WORKER
)
KAFKA_ANSWER_AGE_SECONDS = Gauge(
    "hangtag_kafka_answer_age_seconds", "Time since the brokers last answered", registry=WORKER
)

# Reader of arrivals
ARRIVALS_READ = Counter(
    "hangtag_arrivals_read",
    "Records read from products.events ahead of the workers; skipped: without a readable product and version",
    ["outcome"],
    registry=ARRIVALS,
)
_with_values(ARRIVALS_READ, ("marked", "skipped"))
ARRIVALS_LAG_RECORDS = Gauge(
    "hangtag_arrivals_lag_records", "Records of a partition that are not marked yet", ["partition"], registry=ARRIVALS
)
ARRIVALS_LAG_SECONDS = Gauge(
    "hangtag_arrivals_lag_seconds",
    "Age of the oldest record of a partition that is not marked yet; 0 if there is none",
    ["partition"],
    registry=ARRIVALS,
)

# Index of search
INDEX_CALLS = Counter(
    "hangtag_index_calls", "Calls of the index, by method and status code", ["method", "code"], registry=INDEX
)
INDEX_CALL_SECONDS = Histogram(
    "hangtag_index_call_seconds", "Duration of a call of the index", ["method"], buckets=_STAGE_BUCKETS, registry=INDEX
)
INDEX_CHANGES = Counter(
    "hangtag_index_changes",
    "Records of products.tagged that the index has read, by what became of them; unreadable: not written by Hangtag",
    ["outcome"],
    registry=INDEX,
)
_with_values(INDEX_CHANGES, ("taken", "older", "unreadable"))
INDEX_PRODUCTS = Gauge("hangtag_index_products", "Products in the index", registry=INDEX)
INDEX_FOLLOWS = Gauge("hangtag_index_follows", "1 while the index reads products.tagged, else 0", registry=INDEX)
INDEX_LAG_RECORDS = Gauge(
    "hangtag_index_lag_records", "Records of products.tagged that the index has not read yet", registry=INDEX
)
INDEX_AGE_SECONDS = Gauge(
    "hangtag_index_age_seconds", "Time since the moment up to which all changes are in the index", registry=INDEX
)
INDEX_SNAPSHOTS = Counter(
    "hangtag_index_snapshots", "Snapshots of the index, by whether they were written", ["outcome"], registry=INDEX
)
_with_values(INDEX_SNAPSHOTS, ("written", "failed"))
INDEX_SNAPSHOT_SECONDS = Gauge(
    "hangtag_index_snapshot_seconds", "How long writing the last snapshot took; changes wait meanwhile", registry=INDEX
)

# Server
CALLS = Counter(
    "hangtag_calls", "Calls over gRPC and HTTP, by method and status code", ["method", "code"], registry=SERVER
)
CALLS_IN_FLIGHT = Gauge("hangtag_calls_in_flight", "Calls that are being answered", registry=SERVER)
CALL_SECONDS = ManyHistogram(
    "hangtag_call_seconds", "Duration of a call", ["method"], buckets=_STAGE_BUCKETS, registry=SERVER
)
LOOKUPS = Counter("hangtag_lookups", "Products looked up, by freshness", ["freshness"], registry=SERVER)
_with_values(LOOKUPS, ("FRESH", "STALE", "PENDING", "UNKNOWN"))
FILTERED_LOOKUPS = Counter(
    "hangtag_filtered_lookups",
    "Products whose stored tags were parsed, because tags were blocked after they were made",
    registry=SERVER,
)
REFUSED_CALLS = Counter(
    "hangtag_refused_calls",
    "Calls refused with RESOURCE_EXHAUSTED, by method and limit",
    ["method", "limit"],
    registry=SERVER,
)
HTTP_REQUESTS = Counter(
    "hangtag_http_requests",
    "Requests over HTTP, by method of TagService (other: another path) and HTTP status",
    ["method", "status"],
    registry=SERVER,
)
HTTP_CONNECTIONS = Gauge("hangtag_http_connections", "Connections over HTTP", registry=SERVER)
HTTP_CLOSED = Counter(
    "hangtag_http_closed_connections", "Connections over HTTP that were closed for a limit", ["reason"], registry=SERVER
)
_with_values(HTTP_CLOSED, ("full", "slow_request", "unread_reply"))
DENIED_CALLS = Counter(
    "hangtag_denied_calls",
    "Calls denied to a client, by its name in server.tokens_file, or (unknown), and by the reason that callers see",
    ["client", "reason"],
    registry=SERVER,
)
RELOADS = Counter(
    "hangtag_reloads",
    "Times that a file which had changed was read again; failed: what was read before stays in use",
    ["file", "outcome"],
    registry=SERVER,
)
for _file in ("tokens", "certificate"):
    for _outcome in ("read", "failed"):
        RELOADS.labels(_file, _outcome)
COALESCED_KEYS = Histogram(
    "hangtag_coalesced_keys",
    "Products read from the store in one round trip",
    buckets=(1, 2, 5, 10, 50, 100, 500, 1000, 5000),
    registry=SERVER,
)
READ_FROM = ("cache", "store", "cache_without_store")
READ_PRODUCTS = Counter(
    "hangtag_read_products",
    "Products read for look-ups, by where from; cache_without_store: the store was away",
    ["source"],
    registry=SERVER,
)
_with_values(READ_PRODUCTS, READ_FROM)
CACHED_PRODUCTS = Gauge("hangtag_cached_products", "Products in the cache of the server", registry=SERVER)
FOLLOWER_UP = Gauge(
    "hangtag_follower_up", "1 while the server reads the end of products.tagged, else 0", registry=SERVER
)
FOLLOWER_LAG_RECORDS = Gauge(
    "hangtag_follower_lag_records", "Records of products.tagged that the server has not read yet", registry=SERVER
)
FOLLOWED_RECORDS = Counter(
    "hangtag_followed_records", "Records of products.tagged that the server has read", registry=SERVER
)
WAITING_LOOKUPS = Gauge("hangtag_waiting_lookups", "Look-ups that wait for a version of a product", registry=SERVER)
WAITS_ENDED = Counter(
    "hangtag_waits_ended", "Look-ups that waited for a version, by how that ended", ["outcome"], registry=SERVER
)
_with_values(WAITS_ENDED, ("tagged", "refused", "late", "stopped", "cancelled", "failed"))
SUGGESTION_STAGE_SECONDS = Histogram(
    "hangtag_stage_seconds", "Duration of a stage for one batch", ["stage"], buckets=_STAGE_BUCKETS, registry=SERVER
)
_with_values(SUGGESTION_STAGE_SECONDS, ("encode", "forward", "decode", "explain"))
SUGGESTED_TEXTS = Counter(
    "hangtag_suggested_texts",
    "Texts that got suggestions, by what had them: the cache, the same_text asked for at the same time, or the model",
    ["source"],
    registry=SERVER,
)
_with_values(SUGGESTED_TEXTS, ("cache", "same_text", "model"))
INDEX_UP = Gauge("hangtag_index_up", "1 while the index answers searches, else 0", registry=SERVER)
STORE_UP = Gauge("hangtag_store_up", "1 while the store answers the server, else 0", registry=SERVER)
REPLICA_READS = Counter(
    "hangtag_replica_reads",
    "Reads that replicas may answer, by what answered: replica, or primary for at least a part",
    ["answer"],
    registry=SERVER,
)
_with_values(REPLICA_READS, ("replica", "primary"))

# Worker and server
STORE_EMPTIED = Gauge(
    "hangtag_store_emptied", "1 while the store has lost its data and has not been rebuilt, else 0", registry=WORKER
)
STORE_SECONDS = Histogram(
    "hangtag_store_seconds", "Duration of a call to the store", buckets=_STAGE_BUCKETS, registry=WORKER
)
BATCH_TOKENS = Histogram(
    "hangtag_batch_tokens",
    "Tokens that the engine computes for a batch",
    buckets=(256, 512, 1024, 2048, 4096, 8192, 16384, 65536),
    registry=WORKER,
)
BUNDLE = Gauge(
    "hangtag_bundle_info",
    "Always 1; the labels name the bundle and the engine in use",
    ["name", "version", "engine"],
    registry=WORKER,
)
SEQUENCE = Gauge(
    "hangtag_bundle_sequence",
    "Place in the order of releases: in_use: of the bundle that this process uses, pointer: of the one it should use",
    ["which"],
    registry=WORKER,
)
_with_values(SEQUENCE, ("in_use", "pointer"))
REFUSALS = ("fetch", "disk", "damaged", "memory", "engine", "trial", "other")
MODEL_REFUSED = Gauge(
    "hangtag_model_refused",
    "1 while this process does not use the bundle that it should use, by the reason, else 0",
    ["reason"],
    registry=WORKER,
)
_with_values(MODEL_REFUSED, REFUSALS)
MODEL_SWAPS = Counter(
    "hangtag_model_swaps", "Bundles that this process has taken into use in place of another", registry=WORKER
)
MODEL_LOAD_SECONDS = Gauge(
    "hangtag_model_load_seconds", "How long it took to fetch, check and load the bundle in use", registry=WORKER
)
for _shared in (
    *(STORE_EMPTIED, STORE_SECONDS, BATCH_TOKENS, BUNDLE),
    *(SEQUENCE, MODEL_REFUSED, MODEL_SWAPS, MODEL_LOAD_SECONDS),
):
    SERVER.register(_shared)
for _used in (STORE_EMPTIED, STORE_SECONDS, RETRIES, ASSIGNED_PARTITIONS, KAFKA_ANSWER_AGE_SECONDS):
    ARRIVALS.register(_used)
for _asked in (DENIED_CALLS, RELOADS):
    INDEX.register(_asked)
