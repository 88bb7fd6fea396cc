"""`hangtag work`."""

import typer

from hangtag.cli.options import BundleName, EngineName


def work(engine: EngineName = None, bundle: BundleName = None) -> None:
    """Run a worker that tags the products from Kafka until it is stopped.

    Example: hangtag work --engine cpu --bundle runs/shop/bundle
    """
    from hangtag.cli.open_program import open_program  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            settings, tagger = open_program("worker", {"engine": engine, "bundle": bundle})
    except Stopped:
        return
    from hangtag.workers.program import work as run  # noqa: PLC0415

    try:
        run(settings, tagger)
    except Exception as error:
        # The last line of the log has the reason and the stack; nothing follows it.
        raise typer.Exit(1) from error
