"""`hangtag publish`."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.errors import CommandError
from hangtag.text.limits import MAX_VERSION

if TYPE_CHECKING:  # these load rich and protobuf
    from rich.console import Console

    from hangtag.v1 import events_pb2

_BAD_LINES_SHOWN = 20


def publish(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL file, also as .gz; - reads standard input.")],
    limit: Annotated[int | None, typer.Option(metavar="N", min=0, help="Stop after this many products.")] = None,
    version: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=MAX_VERSION,
            help="Version of products that have none. Default: the current time in milliseconds.",
        ),
    ] = None,
    protobuf: Annotated[bool, typer.Option("--protobuf", help="Send protobuf instead of JSON.")] = False,
) -> None:
    """Publish products from a JSONL file to Kafka.

    Each line is a product: product_id, title, description, merchant_category, language, and where they are there,
    shop_id, url, image_urls, price ("19.99 EUR") and attributes; other fields are ignored. Or it is a ProductEvent in
    JSON, which has the product in its field product.
    A bad line is reported and skipped, and the exit code is then 1; it is 130 after Ctrl-C. If two lines have the
    same product and version, only the first one counts.

    Example: hangtag publish products.jsonl.gz --limit 1000
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.feed_lines import open_feed  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.publisher import Publisher  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here().kafka
    console = make_console(stderr=True)
    default_version = time.time_ns() // 1_000_000 if version is None else version
    started = time.monotonic()
    feed = _Feed(file, default_version, console)
    sent, stopped = 0, False
    with open_feed(file) as lines, Publisher(settings, protobuf=protobuf) as publisher:
        try:
            with stopping(), LiveStatus(console) as status:
                for event in islice(feed.events(lines), limit):
                    publisher.send(event)
                    sent += 1
                    if not sent % 200:
                        rate = f"{sent / (time.monotonic() - started):,.0f}/s"
                        status.show(f"{sent:,} sent, {publisher.acknowledged:,} acknowledged, {rate}")
                publisher.finish()
        except Stopped:
            stopped = True
        acknowledged, refused = publisher.acknowledged, publisher.refused
    for reason in refused[:_BAD_LINES_SHOWN]:
        console.print(f"refused: {reason}", style="red", markup=False, soft_wrap=True)
    seconds = time.monotonic() - started
    result = f"{acknowledged:,} published to {settings.events_topic} at {settings.bootstrap} in {seconds:.1f} s"
    counts = f"{len(refused):,} refused, {feed.bad:,} bad lines, {feed.empty:,} empty lines"
    typer.echo(f"{'stopped; ' if stopped else ''}{result}, {counts}")
    if feed.error is not None:
        raise feed.error
    code = 130 if stopped else int(feed.bad > 0 or acknowledged < sent)
    if code:
        raise typer.Exit(code)


class _Feed:
    """The events of a feed's lines. Counts bad lines, which are printed, and empty ones.

    `error` is set if the feed could not be read to its end.
    """

    def __init__(self, name: str, default_version: int, console: "Console") -> None:
        self.bad = self.empty = 0
        self.error: CommandError | None = None
        self._name = name
        self._default_version = default_version
        self._console = console

    def events(self, lines: Iterable[bytes]) -> "Iterator[events_pb2.ProductEvent]":
        from hangtag.cli.feed_lines import FeedError, LineError, event_of  # noqa: PLC0415

        try:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    self.empty += 1
                    continue
                try:
                    event = event_of(line, self._default_version)
                except LineError as error:
                    self._report(number, error)
                else:
                    yield event
        except FeedError as error:
            self.error = error

    def _report(self, number: int, error: ValueError) -> None:
        self.bad += 1
        if self.bad <= _BAD_LINES_SHOWN:
            self._console.print(f"{self._name}:{number}: {error}", style="red", markup=False, soft_wrap=True)
