"""`hangtag demo`."""

from typing import Annotated

import typer


def demo(
    feed: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSONL file of products, also as .gz. Default: some 200 sample products."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Exit when the feed is tagged instead of staying up.")] = False,
) -> None:
    """Run the complete system on this machine and tag a product feed.

    Starts a broker, a tag store, a worker, a reader of arrivals and a server, publishes the feed, waits until every
    product is tagged or a dead letter, and looks up some of the tags. The exit code is 1 if a product is lost.

    Example: hangtag demo --feed products.jsonl --once
    """
    from hangtag.cli.demo.run import run  # noqa: PLC0415
    from hangtag.cli.feed_lines import demo_feed  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            run(feed or demo_feed(), once=once)
    except Stopped:
        typer.echo("stopped")
        if once:
            raise typer.Exit(130) from None
