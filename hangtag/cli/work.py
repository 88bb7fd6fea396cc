"""`hangtag work`."""

from typing import Annotated, Literal

import typer


def work(
    engine: Annotated[
        Literal["auto", "cpu", "torch"] | None, typer.Option(help="auto: torch where there is CUDA, else cpu")
    ] = None,
    bundle: Annotated[str | None, typer.Option(help="`starter` or a bundle's folder")] = None,
) -> None:
    """Tag the products that arrive on Kafka until stopped: a worker of the consumer group.

    Example: hangtag work --engine cpu --bundle runs/shop/bundle
    """
    from hangtag.cli.opened import opened  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            settings, tagger = opened("worker", {"engine": engine, "bundle": bundle})
    except Stopped:
        return
    from hangtag.workers.program import work as run  # noqa: PLC0415

    run(settings, tagger)
