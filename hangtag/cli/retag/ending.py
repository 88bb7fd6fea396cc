"""`hangtag retag undo` and `hangtag retag finalize`."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # these load kafka-python and redis-py
    from hangtag.models import Pointer
    from hangtag.store import RetagRun

_MaxPerS = Annotated[
    float, typer.Option("--max-per-s", metavar="N", min=0, help="Most products in a second; 0: no limit.")
]
_Sequence = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Place in the order of releases. Default: that of the bundle in use."),
]


def undo(max_per_s: _MaxPerS = 0, sequence: _Sequence = None, as_json: JsonOutput = False) -> None:
    """Put the tags back that the last re-tag replaced, without a model.

    Roll back first with `hangtag model rollback`: the tags then belong to the bundle that is in use again. Products
    that have changed since keep their new tags, and people's decisions stay. Workers go first. Ctrl-C stops the
    command, and the same command goes on.

    Example: hangtag retag undo
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.retag.opened import opened  # noqa: PLC0415
    from hangtag.cli.retag.plan import found_run  # noqa: PLC0415
    from hangtag.cli.retag.release import blocking_schema, pointer_of  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.workers.retag import LivePace, Undoing  # noqa: PLC0415

    settings = settings_here()
    started = time.monotonic()
    try:
        with (
            stopping(),
            opened(settings, "hangtag retag undo") as parts,
            LiveStatus(make_console(stderr=True)) as status,
        ):
            found = found_run(parts.kept)
            pace = LivePace(
                parts.progress, max_per_s, lambda behind: status.show(f"waiting: workers are {behind:,} records behind")
            )
            pointer = pointer_of(settings) if sequence is None and found.sequence else None
            place = _place(found, pointer, sequence)
            work = Undoing(
                found,
                place,
                parts.kept,
                parts.store,
                parts.sink,
                pace,
                lambda: status.show(f"{work.counts.restored:,} products have their former tags again"),
                None if pointer is None else blocking_schema(settings, pointer),
                0 if pointer is None else pointer.blocked_sequence,
            )
            work.undo()
    except Stopped:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    seconds = time.monotonic() - started
    if as_json:
        print_json({"sequence": place, "restored": work.counts.restored, "changed": work.counts.changed})
        return
    typer.echo(
        f"{work.counts.restored:,} products have the tags again that they had before the re-tag with bundle "
        f"{found.bundle_version[:12]}, after {seconds:.1f} s; {work.counts.changed:,} had changed since, and stay"
    )


def finalize(as_json: JsonOutput = False) -> None:
    """Drop the tags that the last re-tag replaced: it cannot be undone any more.

    Example: hangtag retag finalize
    """
    from hangtag.cli.retag.opened import opened  # noqa: PLC0415
    from hangtag.cli.retag.plan import found_run  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.workers.retag import settle  # noqa: PLC0415

    dropped = 0
    try:
        with stopping(), opened(settings_here(), "hangtag retag finalize") as parts:
            found = found_run(parts.kept)
            settle(parts.kept, parts.store, parts.sink)
            for formers in parts.kept.formers():
                parts.kept.drop_formers([former.entry.product_id for former in formers])
                dropped += len(formers)
            parts.kept.forget()
    except Stopped:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json({"dropped": dropped})
        return
    typer.echo(f"former tags of {dropped:,} products dropped; the re-tag with {found.bundle_version[:12]} is final")


def _place(found: "RetagRun", pointer: "Pointer | None", sequence: int | None) -> int:
    if sequence is None:
        sequence = 0 if pointer is None else pointer.sequence
    if sequence < found.sequence or sequence == found.sequence > 0:
        msg = (
            f"the bundle of the re-tag ({found.bundle_version[:12]}, sequence {found.sequence}) is still in use: "
            "run `hangtag model rollback` first"
        )
        raise CommandError(msg)
    return sequence
