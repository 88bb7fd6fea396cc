"""`hangtag verify`."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # it loads numpy and redis-py
    from hangtag.cli.verifying import Verifying

_REBUILD = "run `hangtag rebuild --from-start`, then `hangtag verify` again"
_SEND_AGAIN = "let the shop send the products that are not in the topic again, or their deletion"


def verify(
    grace: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Time for writers before a product is looked at again."),
    ] = 5,
    as_json: JsonOutput = False,
) -> None:
    """Compare the store with products.tagged; nothing is written.

    Workers and servers may run meanwhile: what disagrees is looked at again once the newest records are read. All keys
    of the store are looked at with SCAN. The exit code is 1 if store and topic disagree; the next step is printed.

    Example: hangtag verify
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.cli.verifying import open_verifying  # noqa: PLC0415

    settings = settings_here()
    started = time.monotonic()
    try:
        with stopping(), open_verifying(settings) as work, LiveStatus(make_console(stderr=True)) as status:
            work.run(status.show, grace)
    except Stopped:
        typer.echo("stopped: not everything was compared")
        raise typer.Exit(130) from None
    seconds = time.monotonic() - started
    if as_json:
        print_json(_as_json(work, seconds))
    else:
        _print(work, settings.kafka.tagged_topic, seconds)
    if work.disagreeing:
        raise typer.Exit(1)


def _as_json(work: "Verifying", seconds: float) -> dict[str, Any]:
    kinds = {
        kind.name.lower(): {"count": found.count, "examples": [each._asdict() for each in found.examples]}
        for kind, found in work.findings.items()
    }
    return {
        "store": work.address,
        "records": work.read,
        "products": work.products,
        "stored": work.stored,
        "unreadable": work.unreadable,
        "disagreeing": work.disagreeing,
        "changing": work.changing,
        "is_complete": work.is_complete,
        "seconds": seconds,
        "disagreements": kinds,
    }


def _print(work: "Verifying", topic: str, seconds: float) -> None:
    from hangtag.cli.console import make_table, plain_console  # noqa: PLC0415

    if work.disagreeing:
        table = make_table("disagreement", "products", "for example", "stored", "newest record", "last record")
        for kind, found in work.findings.items():
            if found.count:
                cells = [["none" if value is None else str(value) for value in each] for each in found.examples]
                columns = ("\n".join(column) for column in zip(*cells, strict=True))
                table.add_row(kind.value, f"{found.count:,}", *columns)
        plain_console().print(table)
    so_far = "" if work.is_complete else ", and not all was read, since so many disagree"
    changing = f", {work.changing:,} are being written at the moment" if work.changing else ""
    typer.echo(
        f"{work.products:,} products of {topic} compared with {work.address} in {seconds:.1f} s: "
        f"{work.disagreeing:,} disagree{so_far}{changing}; {work.unreadable:,} records unreadable"
        + (f". Next: {_next_step(work)}" if work.disagreeing else "")
    )


def _next_step(work: "Verifying") -> str:
    from hangtag.write import Disagreement  # noqa: PLC0415

    alone = work.findings[Disagreement.NOT_IN_TOPIC].count
    steps = [_REBUILD] * (work.disagreeing > alone) + [_SEND_AGAIN] * (alone > 0)
    return "; ".join(steps)
