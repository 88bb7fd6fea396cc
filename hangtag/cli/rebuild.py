"""`hangtag rebuild`."""

import threading
import time
from collections import defaultdict

import typer

_TRY_FOR_S = 30


def rebuild() -> None:
    """Fill the store again from products.tagged, without a model.

    Run it after the store has lost its data or a failover to a replica that was behind, and once to bring a store of an
    older format up to date. Workers and servers may run meanwhile: only what is newer than in the store is written.
    Safe to repeat.

    Example: hangtag rebuild
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.cli.topic import TopicReader  # noqa: PLC0415
    from hangtag.records import Record  # noqa: PLC0415
    from hangtag.store import RedisTagStore  # noqa: PLC0415
    from hangtag.workers.retrying_store import RetryingStore  # noqa: PLC0415
    from hangtag.write import KafkaSink, PartitionRebuild  # noqa: PLC0415

    settings = settings_here()
    started = time.monotonic()
    store, sink = RedisTagStore(settings.redis), KafkaSink(settings.kafka, "hangtag-cli")
    retrying = RetryingStore(store, _TRY_FOR_S, threading.Event())
    partitions: dict[int, PartitionRebuild] = defaultdict(lambda: PartitionRebuild(retrying, sink))
    read = 0
    try:
        with (
            stopping(),
            TopicReader(settings.kafka, settings.kafka.tagged_topic) as reader,
            LiveStatus(make_console(stderr=True)) as status,
        ):
            store.begin_rebuild()
            for chunk in reader.chunks_until_end():
                records = [Record.of(one) for one in chunk]
                for number in sorted({record.partition.number for record in records}):
                    partitions[number].take([record for record in records if record.partition.number == number])
                read += len(chunk)
                restored = sum(each.restored for each in partitions.values())
                status.show(f"{read:,} of {max(read, reader.total):,} records read, {restored:,} products restored")
            produced = sum(each.finish() for each in partitions.values())
            store.end_rebuild()
    except Stopped:
        typer.echo("stopped; the store is not complete yet: run `hangtag rebuild` again")
        raise typer.Exit(130) from None
    finally:
        sink.close()
        store.close()
    restored = sum(each.restored for each in partitions.values())
    unreadable = sum(each.unreadable for each in partitions.values())
    typer.echo(
        f"{read:,} records of {settings.kafka.tagged_topic} read in {time.monotonic() - started:.1f} s: "
        f"{restored:,} products restored in {store.address}, {produced:,} produced again, {unreadable:,} unreadable"
    )
