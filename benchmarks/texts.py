"""What `products.texts` and a re-tag's former tags cost: throughput and processor time of a worker, bytes a product.

    KAFKA_HOME=... python -m benchmarks.texts --products 4000 [--feed FILE.jsonl.gz]

Starts a broker and a cache on this machine and runs a worker in this process over a backlog of new texts: with the
topic, without, and with texts in the store too, in turns. Then it reads how large the topic has become (Apache Kafka
only), and how much memory the store takes for tags, and for texts.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import redis
from kafka import KafkaAdminClient

from benchmarks.main_job import FEED, read
from benchmarks.resent import measure
from hangtag.cli.local import LocalStack
from hangtag.cli.stopping import Stopped, stopping
from hangtag.kafka.options import kafka_options
from hangtag.settings import Settings
from hangtag.tagger.tagger import open_tagger

_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=4_000)
    parser.add_argument("--feed", type=Path, default=FEED, help="JSONL; repeated under new ids if it is too short")
    options = parser.parse_args()
    try:
        with stopping(), LocalStack() as local:
            sys.stdout.write(
                orjson.dumps(run(local, options.feed, options.products), option=orjson.OPT_INDENT_2).decode()
            )
    except Stopped:
        sys.exit(130)
    sys.stdout.write("\n")


def run(local: Settings, feed: Path, products: int) -> dict[str, float]:
    """Ratios of medians over some rounds, and bytes a product."""
    settings = local.model_copy(update={"worker": local.worker.model_copy(update={"metrics_port": 0})})
    kinds: dict[str, Callable[[Settings], Settings]] = {
        "without": lambda each: each.model_copy(update={"kafka": each.kafka.model_copy(update={"texts_topic": ""})}),
        "with": lambda each: each,
        "in_store": lambda each: each.model_copy(update={"redis": each.redis.model_copy(update={"texts": True})}),
    }
    tagger, events = open_tagger(settings.model), read(feed, products)
    titles = [event.product.title for event in events]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    memory: dict[str, list[int]] = {kind: [] for kind in kinds}
    version = 0
    for turn in range(_ROUNDS):
        for kind, change in kinds.items():
            version += 1
            for event, title in zip(events, titles, strict=True):
                event.product.title = f"{title} {version}"  # a text that no bundle has tagged
                event.product.product_id = f"{kind}-{turn}-{event.product.product_id.rpartition('-')[2]}"
            before = used(settings)
            found[kind].append(measure(change(settings), tagger, events, version))
            memory[kind].append(used(settings) - before)

    def median(kind: str, name: str) -> float:
        return statistics.median(each[name] for each in found[kind])

    texts = 2 * _ROUNDS * len(events)
    return {
        "products": len(events),
        "throughput_with_over_without": median("with", "products_per_s") / median("without", "products_per_s"),
        "cpu_with_over_without": median("with", "cpu_ms_each") / median("without", "cpu_ms_each"),
        "throughput_in_store_over_without": median("in_store", "products_per_s") / median("without", "products_per_s"),
        "cpu_in_store_over_without": median("in_store", "cpu_ms_each") / median("without", "cpu_ms_each"),
        "topic_bytes_a_text": size(settings, settings.kafka.texts_topic) / texts,
        "tags_bytes_a_product_in_store": statistics.median(memory["with"]) / len(events),
        "text_bytes_a_product_in_store": (statistics.median(memory["in_store"]) - statistics.median(memory["with"]))
        / len(events),
        "characters_a_text": statistics.mean(
            len(event.product.title) + len(event.product.description) + len(event.product.merchant_category)
            for event in events
        ),
    }


def used(settings: Settings) -> int:
    """Bytes that the store uses."""
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        return int(client.info("memory")["used_memory"])


def size(settings: Settings, topic: str) -> int:
    """Bytes of a topic on the disks of the brokers; 0 if they do not tell."""
    try:
        with KafkaAdminClient(**kafka_options(settings.kafka, "hangtag-bench")) as admin:
            found = admin.describe_log_dirs([topic])
    except Exception:  # noqa: BLE001 (Tansu does not know the request)
        return 0
    return sum(_sizes(found))


def _sizes(found: object) -> list[int]:
    """Every `partition_size` in an answer, whatever it is nested in."""
    if isinstance(found, dict):
        own = [int(found["partition_size"])] if "partition_size" in found else []
        return own + [each for value in found.values() for each in _sizes(value)]
    return [each for value in found for each in _sizes(value)] if isinstance(found, list) else []


if __name__ == "__main__":
    main()
