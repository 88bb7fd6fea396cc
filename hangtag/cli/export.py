"""`hangtag export`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.options import JsonOutput


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write: .jsonl or .parquet.")],
    restart: Annotated[
        bool, typer.Option("--restart", help="Read the whole topic, also if an export into this file was stopped.")
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Write the newest tags of every product into a file, without the store and without a model.

    Reads products.tagged to its present end. Deleted products are left out. The file replaces an earlier one once it is
    complete; FILE.offsets.json says which offsets it reflects, so that a feed can go on from there. An export that was
    stopped goes on where it stopped. Workers may run meanwhile.

    Example: hangtag export tags.parquet
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.exporting import open_exporting  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus, remaining_time  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here()
    started = time.monotonic()
    try:
        with (
            stopping(),
            open_exporting(settings.kafka, file, restart=restart) as work,
            LiveStatus(make_console(stderr=True)) as status,
        ):

            def show() -> None:
                total = work.reader.total
                done = total - work.reader.remaining
                if work.written:
                    status.show(f"{work.written:,} of {work.products:,} products written")
                else:
                    left = remaining_time(started, done, total)
                    status.show(f"{done / max(1, total):.0%}: {work.read:,} records read, {left}")

            work.run(show)
    except Stopped:
        typer.echo("stopped; run the same command again, it goes on where it stopped", err=True)
        raise typer.Exit(130) from None
    seconds = time.monotonic() - started
    if as_json:
        print_json(work.summary() | {"records": work.read, "unreadable": work.unreadable, "seconds": round(seconds, 3)})
    else:
        typer.echo(
            f"{work.products:,} products in {file}, from {work.read:,} records of {settings.kafka.tagged_topic} in "
            f"{seconds:.1f} s, {work.unreadable:,} unreadable; the offsets are in {work.offsets_file}"
        )
