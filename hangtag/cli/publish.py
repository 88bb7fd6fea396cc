"""`hangtag publish`."""

import time
from typing import Annotated

import typer

from hangtag.text.limits import MAX_VERSION

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

    Each line is a ProductEvent in JSON, or only a product: product_id, title, description, merchant_category, language.
    A bad line is reported and skipped, and the exit code is then 1; it is 130 after Ctrl-C. If two lines have the same
    product and version, only the first one counts.

    Example: hangtag publish products.jsonl.gz --limit 1000
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.feed_lines import LineError, event_of, open_feed  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.publisher import Publisher  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here().kafka
    console = make_console(stderr=True)
    default_version = time.time_ns() // 1_000_000 if version is None else version
    started = time.monotonic()
    sent = bad = 0
    stopped = False
    with open_feed(file) as lines, Publisher(settings, protobuf=protobuf) as publisher:
        try:
            with stopping(), LiveStatus(console) as status:
                for number, line in enumerate(lines, start=1):
                    if limit is not None and sent >= limit:
                        break
                    if not line.strip():
                        continue
                    try:
                        event = event_of(line, default_version)
                    except LineError as error:
                        bad += 1
                        if bad <= _BAD_LINES_SHOWN:
                            console.print(f"{file}:{number}: {error}", style="red", markup=False, soft_wrap=True)
                        continue
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
    typer.echo(f"{'stopped; ' if stopped else ''}{result}, {len(refused):,} refused, {bad:,} bad lines")
    code = 130 if stopped else int(bad > 0 or acknowledged < sent)
    if code:
        raise typer.Exit(code)
