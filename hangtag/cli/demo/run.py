"""The demo from start to end."""

import time
from pathlib import Path

from rich.console import Console

from hangtag.cli.console import make_console
from hangtag.cli.demo.feeding import Feeding
from hangtag.cli.demo.programs import Programs, programs
from hangtag.cli.demo.tally import Tally
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack
from hangtag.cli.progress import LiveStatus
from hangtag.cli.running import announced
from hangtag.settings import Settings

_CHECK_EVERY_S = 0.5


def run(feed: str, *, once: bool) -> None:
    """Start all parts, publish the feed, wait until it is tagged, show tags and counts; then stay up unless `once`.

    Raises:
        CommandError: the feed does not exist, a program ended, or a product is neither tagged nor a dead letter.
        LocalError, SettingsError: as in `LocalStack`.
    """
    started = time.monotonic()
    console = make_console()
    if feed != "-" and not Path(feed).is_file():
        msg = f"{feed}: no such file; --feed needs a JSONL file with one product per line"
        raise CommandError(msg)
    console.print("Starting the broker and the tag store ...")
    stack = LocalStack()
    with stack as settings:
        assert stack.folder is not None
        names = " and ".join(server.child.name for server in stack.servers) or "the servers from the settings"
        console.print(
            f"{names} ready after {time.monotonic() - started:.1f} s; starting worker, arrivals, index, server ..."
        )
        redis = settings.redis.url.get_secret_value()
        with (
            programs(settings, stack.folder) as running,
            announced(settings.kafka.bootstrap, redis, running.host, running.port),
        ):
            shown = _feed_and_ask(console, feed, settings, running, started)
            if not once:
                _stay(console, stack, settings, running, shown, feed)


def _feed_and_ask(console: Console, feed: str, settings: Settings, running: Programs, started: float) -> list[str]:
    # Imported after the child processes have started: a process with threads of gRPC should not fork.
    from hangtag.cli.demo.answers import show_answers  # noqa: PLC0415
    from hangtag.cli.demo.watch import StalledError, Watch  # noqa: PLC0415
    from hangtag.cli.rpc import TagClient  # noqa: PLC0415
    from hangtag.cli.topic import TopicReader  # noqa: PLC0415

    tally = Tally()
    with (
        TopicReader(settings.kafka, settings.kafka.dead_letter_topic, last=0) as dead_letters,
        Feeding(feed, settings.kafka, tally) as feeding,
        TagClient(f"{running.host}:{running.port}", settings.client, timeout_s=10) as client,
    ):
        with LiveStatus(console) as status:
            running.wait_for_server(
                lambda: status.show(f"published {tally.counts().published:,}; the server is loading the model ...")
            )
            watch = Watch(tally, client, dead_letters, status)
            try:
                watch.until_settled(feeding, running.check)
            except StalledError as error:
                msg = f"{error}; end of the worker's log:\n{running.worker.tail().rstrip()}"
                raise CommandError(msg) from error
        counts = tally.audit(client.look_up(tally.everything()))
        shown = show_answers(console, client, tally.everything(), feeding.titles)
    if watch.first_tags_at is not None:
        console.print(
            f"\nThe first tags were stored {watch.first_tags_at - started:.1f} s after the start; "
            f"the feed took {watch.seconds:.1f} s."
        )
    for product_id, reason in list(watch.reasons.items())[:5]:
        console.print(f"dead letter {product_id}: {reason}", markup=False)
    for problem in feeding.problems:
        console.print(f"not published: {problem}", markup=False)
    if feeding.skipped:
        console.print(f"{feeding.skipped} lines were not published")
    total = f"published {counts.published:,} = tagged {counts.tagged:,} + dead letters {counts.dead:,}"
    if counts.waiting:
        msg = f"products were lost: {total} + lost {counts.waiting:,}, for example {tally.waiting(1)[0]}"
        raise CommandError(msg)
    console.print(f"[bold green]{total}[/]")
    return shown


def _stay(
    console: Console, stack: LocalStack, settings: Settings, running: Programs, shown: list[str], feed: str
) -> None:
    from hangtag.cli.demo.next_steps import next_steps  # noqa: PLC0415

    console.print("\nThe demo stays up. Paste these lines into another terminal, in this folder.")
    for purpose, lines in next_steps(settings, running, shown, feed):
        console.print(f"\n{purpose}:")
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"\nKafka {settings.kafka.bootstrap}, gRPC {running.host}:{running.port}", soft_wrap=True)
    children = (running.worker, running.arrivals, running.index, running.server)
    console.print(f"logs {' '.join(str(child.log) for child in children)}", soft_wrap=True)
    console.print("Press Ctrl-C to stop.")
    while True:
        running.check()
        stack.check()
        time.sleep(_CHECK_EVERY_S)
