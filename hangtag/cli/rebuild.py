"""`hangtag rebuild`."""

import time
from typing import Annotated

import typer


def rebuild(
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Read the whole topic, also if a rebuild was stopped.")
    ] = False,
) -> None:
    """Fill the store again from products.tagged, without a model. Which bundle is in use comes from hangtag.models.

    Run it after the store has lost its data or a failover to a replica that was behind, and once to bring a store of an
    older format up to date. Workers and servers may run meanwhile: only what is newer than in the store is written.
    Safe to repeat. One that was stopped goes on where it stopped.

    Example: hangtag rebuild
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus, remaining_time  # noqa: PLC0415
    from hangtag.cli.rebuilding import open_rebuilding  # noqa: PLC0415
    from hangtag.cli.restoring import restore  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here()
    console = make_console(stderr=True)
    started = time.monotonic()

    def warn(message: str) -> None:
        console.print(f"warning: {message}", style="yellow", markup=False, soft_wrap=True)

    try:
        with stopping(), open_rebuilding(settings, warn) as work, LiveStatus(console) as status:

            def show() -> None:
                total = work.reader.total
                done = total - work.reader.remaining
                beginning = ", going on where a rebuild was stopped" if work.begins_at else ""
                status.show(
                    f"{done / max(1, total):.0%}: {work.read:,} records read, {work.counts['restored']:,} products "
                    f"restored, {remaining_time(started, done, total)}{beginning}"
                )

            restore(settings, warn)
            work.run(show, warn, from_start=from_start)
    except Stopped:
        typer.echo("stopped; the store is not complete yet: run `hangtag rebuild` again, it goes on where it stopped")
        raise typer.Exit(130) from None
    counts = work.counts
    typer.echo(
        f"{work.read:,} records of {settings.kafka.tagged_topic} read in {time.monotonic() - started:.1f} s: "
        f"{counts['restored']:,} products restored in {work.address}, {counts['held']:,} were there already, "
        f"{work.produced:,} produced again, {counts['unreadable']:,} unreadable"
    )
    if work.begins_at:
        typer.echo("it went on where a rebuild was stopped; `hangtag rebuild --from-start` reads the whole topic")
