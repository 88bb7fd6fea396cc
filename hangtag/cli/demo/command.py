"""`hangtag demo`."""

from typing import Annotated

import typer


def demo(
    feed: Annotated[
        str | None, typer.Option(help="JSONL of products, also .gz; default: some 200 products of ours")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="end by itself instead of staying up")] = False,
) -> None:
    """Tag a product feed end to end on this machine: broker, tag store, worker, server, and a bot's look-ups.

    Every published product must end up tagged or as a dead letter; the exit code is 1 if one does not.

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
