"""Changes that become visible in searches, and a topic that is read from its beginning."""

import threading
import time
from pathlib import Path

import numpy as np
import orjson
from kafka import KafkaProducer

from benchmarks.find_catalogue import SIZES, product_id
from benchmarks.find_index import index
from benchmarks.find_load import one_at_a_time, p99, until_found
from hangtag.cli.errors import CommandError
from hangtag.cli.local import create_topics
from hangtag.records import TaggedProduct, encode_tags
from hangtag.settings import Settings
from hangtag.store import Entry
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.write import record_of

_BUNDLE = "ab" * 32


def fresh(settings: Settings, address: str, products: int, count: int) -> dict[str, float]:
    """From producing to finding at 20 a second, alone and while 200 products a second are tagged again."""
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, linger_ms=0)
    topic = settings.kafka.tagged_topic

    def send(made: Entry) -> None:
        record = record_of(made)
        producer.send(topic, key=record.key, value=record.value, headers=list(record.headers))

    alone = until_found(address, lambda n: send(entry(f"fresh-{n}", 1, {"fresh:yes": 0.9})), 20, count)
    stop = threading.Event()

    def tag_again() -> None:
        rng = np.random.default_rng(5)
        started, sent = time.monotonic(), 0
        while not stop.wait(max(0.0, started + sent / 200 - time.monotonic())):
            sent += 1
            tags = {f"{facet}:v{int(rng.integers(size))}": 0.9 for facet, size in SIZES.items()}
            send(entry(product_id(int(rng.integers(products))), 1, tags, sequence=1))

    thread = threading.Thread(target=tag_again)
    thread.start()
    beside = until_found(address, lambda n: send(entry(f"again-{n}", 1, {"fresh:yes": 0.9})), 20, count)
    during = p99(one_at_a_time(address, 2, count, 11))
    stop.set()
    thread.join()
    producer.close()
    return {"fresh_p99_ms": p99(alone), "fresh_p99_ms_retagging": p99(beside), "find_p99_ms_retagging": during}


def replay(settings: Settings, folder: Path, records: int) -> dict[str, float]:
    """How fast an index reads a topic from its beginning."""
    kafka = settings.kafka.model_copy(update={"tagged_topic": "tagged-replay"})
    create_topics(kafka)
    rng = np.random.default_rng(2)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=50, batch_size=256 * 1024)
    sets = [
        {f"{facet}:v{int(rng.integers(size))}": float(rng.random()) for facet, size in SIZES.items()}
        for _ in range(1_000)
    ]
    for number in range(records):
        record = record_of(entry(product_id(number), 1_700_000_000_000 + number, sets[number % 1_000]))
        producer.send(kafka.tagged_topic, key=record.key, value=record.value, headers=list(record.headers))
    producer.flush(60)
    producer.close()
    with index(settings.model_copy(update={"kafka": kafka}), folder, folder / "replay") as (_, program, _):
        lines = program.child.log.read_text("utf-8").splitlines()
        [complete] = [found for line in lines if (found := orjson.loads(line)).get("event") == "index_complete"]
        if complete["products"] != records:
            msg = f"{complete['products']:,} of {records:,} products are in the index"
            raise CommandError(msg)
        return {"replayed": records, "replay_records_per_s": records / complete["seconds"]}


def entry(product: str, version: int, tags: dict[str, float], sequence: int = 0) -> Entry:
    """The entry of a product with these AUTO tags."""
    scored = tuple(ScoredTag(tag, confidence, Source.MODEL, Band.AUTO) for tag, confidence in tags.items())
    payload = encode_tags(TaggedProduct(product, version, TagSet(scored, ()), _BUNDLE, 1_700_000_000_000))
    return Entry(product, version, payload, sequence=sequence)
