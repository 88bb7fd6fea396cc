"""`hangtag retag run --on ray`."""

import time
from collections.abc import Sequence

import typer

from hangtag.cli.console import make_console
from hangtag.cli.errors import CommandError
from hangtag.cli.progress import LiveStatus, remaining_time
from hangtag.cli.retag.priority import give_way
from hangtag.cli.show import print_json
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import Settings


def retag_on_ray(
    settings: Settings,
    source: str,
    to: str,
    columns: Sequence[str],
    sequence: int | None,
    *,
    is_own: bool,
    restart: bool,
    as_json: bool,
) -> None:
    """Tag the products of Parquet files into a folder of fragments.

    Raises:
        CommandError: files, folder or cluster cannot be used; the message says what to do.
    """
    try:
        from hangtag.cli.retag.on_ray.job import plan  # noqa: PLC0415
    except ImportError as error:
        msg = f"--on ray needs packages that are not installed ({error})"
        raise CommandError(msg, missing_extra="ray") from error
    from hangtag.trainer.recipe.columns import Columns, ColumnsError  # noqa: PLC0415

    try:
        named = Columns.read(None, columns).model_copy(update={"labelled": False})
    except ColumnsError as error:
        raise CommandError(str(error)) from error
    give_way()
    started = time.monotonic()
    try:
        with stopping(), LiveStatus(make_console(stderr=True)) as status:
            status.show(f"looking at the files of {source}")
            work = plan(settings, source, to, named, sequence, is_own=is_own)

            def show() -> None:
                done, per_s = work.there + work.written, work.tagged / max(1e-9, time.monotonic() - started)
                left = remaining_time(started, work.written, work.total - work.there)
                status.show(f"{done:,} of {work.total:,} fragments, {work.tagged:,} tagged, {per_s:,.0f}/s, {left}")

            work.run(show, restart=restart)
    except Stopped:
        typer.echo("stopped; run the same command again: fragments that are there stay", err=True)
        raise typer.Exit(130) from None
    seconds = time.monotonic() - started
    made = work.made
    if as_json:
        print_json(
            {
                "bundle_version": made.bundle_version,
                "sequence": made.sequence,
                "fragments": work.total,
                "there": work.there,
                "written": work.written,
                "tagged": work.tagged,
                "failed": work.failed,
                "unreadable": work.unreadable,
                "actors": work.actors,
                "seconds": seconds,
            }
        )
    else:
        typer.echo(
            f"{work.tagged:,} products tagged with bundle {made.bundle_version[:12]} (sequence {made.sequence}) in "
            f"{seconds:.1f} s by {work.actors} actors: {work.written:,} fragments, {work.there:,} were there; "
            f"{work.failed:,} failed, {work.unreadable:,} unreadable. Next: hangtag rebuild --from {to}"
        )
    if work.failed:
        raise typer.Exit(1)
