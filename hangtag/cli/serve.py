"""`hangtag serve`."""

from typing import Annotated

import typer

from hangtag.cli.options import BundleName


def serve(
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="Port to listen on; 0: any free port. Default: the setting server.port.",
        ),
    ] = None,
    bundle: BundleName = None,
) -> None:
    """Run the gRPC server for look-ups and suggestions until it is stopped.

    Example: hangtag serve --port 50051
    """
    import asyncio  # noqa: PLC0415
    import gc  # noqa: PLC0415

    from hangtag.cli.open_program import open_program  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            settings, tagger = open_program("server", {"bundle": bundle})
    except Stopped:
        return
    from hangtag.server.program import serve as run  # noqa: PLC0415

    if port is not None:
        settings = settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})

    def ready(bound: int) -> None:
        # What was loaded stays. Without it in the garbage collector, a collection stops calls for 10 ms instead of 50.
        gc.collect()
        gc.freeze()
        typer.echo(f"serving on {settings.server.host}:{bound}", err=True)

    try:
        asyncio.run(run(settings, tagger, ready=ready))
    except Exception as error:
        # The last line of the log has the reason and the stack; nothing follows it.
        raise typer.Exit(1) from error
