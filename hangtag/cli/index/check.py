"""`hangtag index check`."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # it loads numpy and redis-py
    from hangtag.cli.index.checking import Checking, Difference
    from hangtag.cli.index.repairing import Repairing


def check(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="If the index is wrong, repair what is wrong, then check again."),
    ] = False,
    grace: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Time for writers before the store is looked at again."),
    ] = 5,
    as_json: JsonOutput = False,
) -> None:
    """Prove that the index has what products.tagged and the store have: every product, its version and its tags.

    The running index writes its snapshot, which is compared with the topic up to the same offsets; so run it on the
    machine of the index. Everything may run meanwhile. The exit code is 1 if they differ, also after a repair.

    --repair reads what differs from the topic again, product by product. Where that does not help, or too many products
    differ, the index reads the whole topic again, which the result says with the reason.

    Example: hangtag index check --repair
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.index.checking import open_checking  # noqa: PLC0415
    from hangtag.cli.index.repairing import Repairing  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here()
    started = time.monotonic()
    repaired: Repairing | None = None
    try:
        with stopping(), LiveStatus(make_console(stderr=True)) as status:
            with open_checking(settings) as work:
                work.run(status.show, grace)
            if repair and work.differing:
                repaired = Repairing(settings, status.show, grace)
                work = repaired.run(work)
    except Stopped:
        typer.echo("stopped: not everything was compared")
        raise typer.Exit(130) from None
    seconds = time.monotonic() - started
    if as_json:
        print_json(_as_json(work, repaired, seconds))
    else:
        _print(work, repaired, seconds)
    if work.differing or work.store.count:
        raise typer.Exit(1)


def _differences(work: "Checking") -> dict[str, "Difference"]:
    return {
        "missing in the index": work.missing,
        "other version or tags in the index": work.other,
        "only in the index": work.unknown,
        "other version or tags in the store": work.store,
    }


def _as_json(work: "Checking", repaired: "Repairing | None", seconds: float) -> dict[str, Any]:
    kinds = {
        name: {"count": found.count, "examples": found.examples}
        for name, found in zip(("missing", "other", "unknown", "store"), _differences(work).values(), strict=True)
    }
    return {
        "records": work.records,
        "products": work.products,
        "differing": work.differing,
        "repaired": 0 if repaired is None else len(repaired.products),
        "read_again": "" if repaired is None else repaired.read_again,
        "seconds": seconds,
        "differences": kinds,
    }


def _print(work: "Checking", repaired: "Repairing | None", seconds: float) -> None:
    for name, found in _differences(work).items():
        if found.count:
            typer.echo(f"{name}: {found.count:,} products, for example {', '.join(found.examples)}")
    typer.echo(
        f"{work.products:,} products compared in {seconds:.1f} s: {work.differing:,} differ in the index, "
        f"{work.store.count:,} in the store" + (f"; {len(repaired.products):,} were repaired" if repaired else "")
    )
    if repaired and repaired.read_again:
        typer.echo(f"the index read the whole topic again: {repaired.read_again}")
    if work.differing:
        typer.echo("Next: hangtag index check --repair")
    elif work.store.count:
        typer.echo("Next: the index agrees with the topic, the store does not; hangtag verify says what to do")
