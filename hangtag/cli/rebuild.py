"""`hangtag rebuild`."""

import time
from typing import Annotated

import typer

from hangtag.cli.options import JsonOutput


def rebuild(
    folder: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Write the tags that `hangtag retag run --on ray` has left in a folder, not those of the topic.",
        ),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="With --from: also write products that the store does not hold.")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Read the whole topic or folder, also if a rebuild was stopped.")
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Fill the store again from products.tagged, without a model. Which bundle is in use comes from hangtag.models.

    Run it after the store has lost its data or a failover to a replica that was behind, and once to bring a store of an
    older format up to date. Workers and servers may run meanwhile: only what is newer than in the store is written.
    Safe to repeat. One that was stopped goes on where it stopped. With --from the store and products.tagged get the
    tags of a re-tag on Ray, where nothing newer is stored; `hangtag retag undo` puts the replaced ones back.

    Example: hangtag rebuild
    """
    if folder is not None:
        _load(folder, create=create, from_start=from_start, as_json=as_json)
        return
    if create:
        msg = "--create needs --from: a rebuild from the topic writes every product that it holds"
        raise typer.BadParameter(msg)
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus, remaining_time  # noqa: PLC0415
    from hangtag.cli.rebuilding import open_rebuilding  # noqa: PLC0415
    from hangtag.cli.restoring import restore  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
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
    if as_json:
        print_json(
            {"records": work.read, "seconds": time.monotonic() - started, "produced": work.produced}
            | {name: counts[name] for name in ("restored", "held", "unreadable")}
        )
        return
    typer.echo(
        f"{work.read:,} records of {settings.kafka.tagged_topic} read in {time.monotonic() - started:.1f} s: "
        f"{counts['restored']:,} products restored in {work.address}, {counts['held']:,} were there already, "
        f"{work.produced:,} produced again, {counts['unreadable']:,} unreadable"
    )
    if work.begins_at:
        typer.echo("it went on where a rebuild was stopped; `hangtag rebuild --from-start` reads the whole topic")


def _load(folder: str, *, create: bool, from_start: bool, as_json: bool) -> None:
    from hangtag.cli.retag.loading import load  # noqa: PLC0415
    from hangtag.cli.retag.printed import print_retagged  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    started = time.monotonic()
    try:
        with stopping():
            work = load(settings_here(), folder, creates=create, restart=from_start)
    except Stopped:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    print_retagged(work, time.monotonic() - started, as_json=as_json)
