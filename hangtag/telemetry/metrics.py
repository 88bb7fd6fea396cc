"""All metrics."""

from prometheus_client import Counter, Gauge, Histogram

_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# Worker
RECORDS_POLLED = Counter("hangtag_records_polled", "Records read from products.events")
RECORDS_SETTLED = Counter("hangtag_records_settled", "Records settled, by outcome", ["outcome"])
RECORDS_WAITING = Gauge("hangtag_records_waiting", "Records polled but not yet settled")
OLDEST_WAITING_SECONDS = Gauge(
    "hangtag_oldest_waiting_seconds", "Age of the oldest polled record that is not yet settled, by its timestamp"
)
BATCH_TOKENS = Histogram(
    "hangtag_batch_tokens",
    "Tokens in a batch, including padding",
    buckets=(256, 512, 1024, 2048, 4096, 8192, 16384, 65536),
)
STAGE_SECONDS = Histogram(
    "hangtag_stage_seconds", "Duration of a stage for one batch", ["stage"], buckets=_STAGE_BUCKETS
)
KAFKA_ANSWER_AGE_SECONDS = Gauge("hangtag_kafka_answer_age_seconds", "Time since the brokers last answered the worker")
PAUSED = Gauge("hangtag_polling_paused", "1 while polling is paused for the reason, else 0", ["reason"])
RETRIES = Counter("hangtag_retries", "Retried calls, by the system called", ["system"])
TAIL_REPAIRS = Counter("hangtag_tail_repairs", "Records produced again because products.tagged was behind the store")

# Server
CALLS = Counter("hangtag_calls", "gRPC calls, by method and status code", ["method", "code"])
CALL_SECONDS = Histogram("hangtag_call_seconds", "Duration of a gRPC call", ["method"], buckets=_STAGE_BUCKETS)
LOOKUPS = Counter("hangtag_lookups", "Products looked up, by freshness", ["freshness"])
COALESCED_KEYS = Histogram(
    "hangtag_coalesced_keys",
    "Products read from the store in one round trip",
    buckets=(1, 2, 5, 10, 50, 100, 500, 1000, 5000),
)
STORE_UP = Gauge("hangtag_store_up", "1 while the store answers the server, else 0")
STORE_EMPTIED = Gauge("hangtag_store_emptied", "1 while the store has lost its data and has not been rebuilt, else 0")

# Worker and server
BUNDLE = Gauge(
    "hangtag_bundle_info", "Always 1; the labels name the bundle and the engine in use", ["name", "version", "engine"]
)
