"""The demo, from the first process to the last count."""

import os
import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from hangtag.cli.demo.feeding import Feeding
from hangtag.cli.demo.programs import Programs, programs
from hangtag.cli.demo.tally import Tally
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack
from hangtag.cli.running import announced
from hangtag.cli.screen import Screen, make_console
from hangtag.settings import Settings

_LOOK_EVERY_S = 0.5


def run(feed: str, *, once: bool) -> None:
    """Start everything, publish the feed, watch it, ask for tags, count; then stay up unless `once`.

    Raises:
        CommandError: a program ended, or published is not tagged plus dead letters.
        LocalError, SettingsError: as the local stack says.
    """
    began = time.monotonic()
    console = make_console()
    if feed != "-" and not Path(feed).is_file():
        msg = f"{feed}: no such file; name a JSONL file with one product a line, or leave --feed out"
        raise CommandError(msg)
    console.print("Starting broker and tag store ...")
    stack = LocalStack()
    with stack as settings:
        assert stack.folder is not None
        names = " and ".join(server.child.name for server in stack.servers) or "the servers that are set"
        console.print(f"{names} ready after {time.monotonic() - began:.1f} s; starting worker and server ...")
        redis = settings.redis.url.get_secret_value()
        with programs(settings, stack.folder) as pair, announced(settings.kafka.bootstrap, redis, pair.host, pair.port):
            shown = _feed_and_ask(console, feed, settings, pair, began)
            if not once:
                _stay(console, stack, pair, shown)


def _feed_and_ask(console: Console, feed: str, settings: Settings, pair: Programs, began: float) -> list[str]:
    # After the children started: a process with gRPC's threads in it should not fork.
    from hangtag.cli.demo.answers import show_answers  # noqa: PLC0415
    from hangtag.cli.demo.watch import StalledError, Watch  # noqa: PLC0415
    from hangtag.cli.rpc import TagClient  # noqa: PLC0415
    from hangtag.cli.topic import TopicReader  # noqa: PLC0415

    tally = Tally()
    with (
        TopicReader(settings.kafka, settings.kafka.dead_letter_topic, last=0) as dead_letters,
        Feeding(feed, settings.kafka, tally) as feeding,
        TagClient(f"{pair.host}:{pair.port}", timeout_s=10) as client,
    ):
        with Screen(console) as screen:
            pair.wait_for_server(
                lambda: screen.show(f"published {tally.counts().published:,}; the model is loading ...")
            )
            watch = Watch(tally, client, dead_letters, screen)
            try:
                watch.until_settled(feeding, pair.check)
            except StalledError as error:
                msg = f"{error}; the end of the worker's log:\n{pair.worker.tail().rstrip()}"
                raise CommandError(msg) from error
        counts = tally.audit(client.look_up(tally.everything()))
        shown = show_answers(console, client, tally.everything(), feeding.titles)
    if watch.first_tags_at is not None:
        console.print(
            f"\nFirst tags {watch.first_tags_at - began:.1f} s after the start; the feed took {watch.seconds:.1f} s."
        )
    for product_id, reason in list(watch.reasons.items())[:5]:
        console.print(f"dead letter {product_id}: {reason}", markup=False)
    for problem in feeding.problems:
        console.print(f"not published: {problem}", markup=False)
    if feeding.left_out:
        console.print(f"{feeding.left_out} lines were not published")
    total = f"published {counts.published:,} = tagged {counts.tagged:,} + dead letters {counts.dead:,}"
    if counts.waiting:
        msg = f"the counts do not add up: {total} + {counts.waiting:,} lost, such as {tally.waiting(1)[0]}"
        raise CommandError(msg)
    console.print(f"[bold green]{total}[/]")
    return shown


def _stay(console: Console, stack: LocalStack, pair: Programs, shown: list[str]) -> None:
    from hangtag.cli.demo.answers import QUESTIONS  # noqa: PLC0415

    command = _how_we_were_called()
    console.print("\nEverything stays up. From another terminal, in this folder:")
    for line in (
        f"{command} tags {' '.join(shlex.quote(each) for each in shown[:2])}",
        f"{command} suggest {shlex.quote(QUESTIONS[0])}",
        f"{command} publish products.jsonl",
        f"{command} deadletters",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"gRPC {pair.host}:{pair.port}, logs {pair.worker.log} {pair.server.log}", soft_wrap=True)
    console.print("Ctrl-C stops it.")
    while True:
        pair.check()
        stack.check()
        time.sleep(_LOOK_EVERY_S)


def _how_we_were_called() -> str:
    script = Path(sys.argv[0])
    if script.name != "hangtag":
        return f"{os.path.relpath(sys.executable)} -m hangtag.cli"
    return os.path.relpath(script) if script.is_file() else "hangtag"
