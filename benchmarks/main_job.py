"""Throughput of the main job: products/s from Kafka to Redis, of the engine alone, and look-ups per second.

    python -m benchmarks.main_job --products 2000 [--feed FILE.jsonl.gz]

Starts a broker, a cache, a worker and a server on this machine. Every rate is the median of the runs.
"""

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import orjson
from rich.console import Console
from rich.table import Table

from hangtag.cli.demo.programs import programs
from hangtag.cli.feed_lines import event_of, open_feed
from hangtag.cli.local import LocalStack
from hangtag.cli.publisher import Publisher
from hangtag.settings import ModelSettings, Settings
from hangtag.tagger.tagger import open_tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import events_pb2, tags_pb2, tags_pb2_grpc

FEED = Path(__file__).resolve().parent.parent / "hangtag/cli/feed/products.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=2_000)
    parser.add_argument("--feed", type=Path, default=FEED, help="JSONL; repeated under new ids if it is too short")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lookups", type=int, default=5_000)
    options = parser.parse_args()
    events = read(options.feed, options.products)
    with TemporaryDirectory() as logs, LocalStack() as settings, programs(settings, Path(logs)) as running:
        running.wait_for_server(meanwhile=lambda: None)
        address = f"{running.host}:{running.port}"
        end_to_end = [tag_all(settings, address, events, version) for version in range(1, options.runs + 1)]
        ids = [event.product.product_id for event in events]
        single = [asyncio.run(look_up(address, ids, options.lookups)) for _ in range(options.runs)]
        batch = [asyncio.run(look_up(address, ids, options.lookups, size=100)) for _ in range(options.runs)]
    engine = [engine_alone(events) for _ in range(options.runs)]
    report(len(events), end_to_end, engine, single, batch)


def read(feed: Path, count: int) -> list[events_pb2.ProductEvent]:
    with open_feed(str(feed)) as lines:
        found = [event_of(line, 1) for line in lines if line.strip()]
    # Products without visible text become dead letters, which nobody may wait for.
    found = [event for event in found if not text_of(event).is_empty]
    result = []
    for number in range(count):
        event = events_pb2.ProductEvent()
        event.CopyFrom(found[number % len(found)])
        event.product.product_id = f"bench-{number}"
        result.append(event)
    return result


def text_of(event: events_pb2.ProductEvent) -> ProductText:
    return ProductText.of(event.product.title, event.product.description, event.product.merchant_category)


def tag_all(settings: Settings, address: str, events: list[events_pb2.ProductEvent], version: int) -> float:
    """Products/s from the first publish to the last stored tags of this version."""
    started = time.monotonic()
    with Publisher(settings.kafka) as publisher:
        for event in events:
            event.product.version = version
            publisher.send(event)
        publisher.finish()
    waiting = {event.product.product_id for event in events}
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        while waiting:
            request = tags_pb2.BatchGetProductTagsRequest(product_ids=sorted(waiting)[:1_000])
            answer = stub.BatchGetProductTags(request, timeout=10)
            waiting -= {each.product_id for each in answer.products if each.version == version}
            time.sleep(0.05)
    return len(events) / (time.monotonic() - started)


def engine_alone(events: list[events_pb2.ProductEvent]) -> float:
    """Texts/s of tokenising, engine and decoding in one process, with all texts in one batch."""
    tagger = open_tagger(ModelSettings())
    texts = [text_of(event) for event in events]
    started = time.monotonic()
    tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))
    took = time.monotonic() - started
    tagger.engine.close()
    return len(texts) / took


async def look_up(address: str, ids: list[str], count: int, size: int = 0, concurrency: int = 32) -> dict[str, float]:
    """Calls/s and latencies (ms) of single look-ups, or of batches of `size`."""
    latencies: list[float] = []
    calls = iter(range(count // max(1, size)))
    async with grpc.aio.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)

        async def caller() -> None:
            for number in calls:
                started = time.monotonic()
                if size:
                    at = number * size % max(1, len(ids) - size)
                    await stub.BatchGetProductTags(tags_pb2.BatchGetProductTagsRequest(product_ids=ids[at : at + size]))
                else:
                    await stub.GetProductTags(tags_pb2.GetProductTagsRequest(product_id=ids[number % len(ids)]))
                latencies.append((time.monotonic() - started) * 1_000)

        started = time.monotonic()
        await asyncio.gather(*(caller() for _ in range(concurrency)))
        took = time.monotonic() - started
    latencies.sort()
    return {
        "products_per_s": len(latencies) * max(1, size) / took,
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[int(len(latencies) * 0.99)],
    }


def report(products: int, end_to_end: list[float], engine: list[float], single: list[dict], batch: list[dict]) -> None:
    def median(runs: list[dict], name: str) -> float:
        return statistics.median(run[name] for run in runs)

    result = {
        "products": products,
        "end_to_end_per_s": statistics.median(end_to_end),
        "engine_alone_per_s": statistics.median(engine),
        "end_to_end_over_engine": statistics.median(end_to_end) / statistics.median(engine),
        "single": {name: median(single, name) for name in single[0]},
        "batch_of_100": {name: median(batch, name) for name in batch[0]},
    }
    table = Table("what", "products/s", "p50 ms", "p99 ms")
    table.add_row("Kafka to Redis", f"{result['end_to_end_per_s']:.0f}", "", "")
    table.add_row("tokenise, engine, decode alone", f"{result['engine_alone_per_s']:.0f}", "", "")
    for name in ("single", "batch_of_100"):
        row = result[name]
        table.add_row(
            f"look-up, {name}", f"{row['products_per_s']:.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"
        )
    Console(stderr=True).print(table)
    sys.stdout.write(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n")


if __name__ == "__main__":
    main()
