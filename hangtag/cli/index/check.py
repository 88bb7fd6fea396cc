"""`hangtag index check`."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # it loads numpy and redis-py
    from hangtag.cli.index.checking import Checking, Difference


def check(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="If the index is wrong, let it read the whole topic again, then check."),
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

    Example: hangtag index check --repair
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.index.checking import open_checking  # noqa: PLC0415
    from hangtag.cli.index.page import IndexPage  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here()
    started = time.monotonic()
    repaired = 0
    try:
        with stopping(), LiveStatus(make_console(stderr=True)) as status:
            with open_checking(settings) as work:
                work.run(status.show, grace)
            if repair and work.differing:
                repaired = work.differing
                IndexPage(settings.index).read_again(status.show)
                with open_checking(settings) as work:
                    work.run(status.show, grace)
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


def _as_json(work: "Checking", repaired: int, seconds: float) -> dict[str, Any]:
    kinds = {
        name: {"count": found.count, "examples": found.examples}
        for name, found in zip(("missing", "other", "unknown", "store"), _differences(work).values(), strict=True)
    }
    return {
        "records": work.records,
        "products": work.products,
        "differing": work.differing,
        "repaired": repaired,
        "seconds": seconds,
        "differences": kinds,
    }


def _print(work: "Checking", repaired: int, seconds: float) -> None:
    for name, found in _differences(work).items():
        if found.count:
            typer.echo(f"{name}: {found.count:,} products, for example {', '.join(found.examples)}")
    typer.echo(
        f"{work.products:,} products compared in {seconds:.1f} s: {work.differing:,} differ in the index, "
        f"{work.store.count:,} in the store" + (f"; {repaired:,} were repaired" if repaired else "")
    )
    if work.differing:
        typer.echo("Next: hangtag index check --repair")
    elif work.store.count:
        typer.echo("Next: the index agrees with the topic, the store does not; hangtag verify says what to do")
