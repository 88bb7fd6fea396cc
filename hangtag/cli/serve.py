"""`hangtag serve`."""

from typing import Annotated

import typer


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="to listen on; 0: any free port")] = None,
    bundle: Annotated[str | None, typer.Option(help="`starter` or a bundle's folder")] = None,
) -> None:
    """Answer look-ups and suggestions over gRPC until stopped.

    Example: hangtag serve --port 50051
    """
    import asyncio  # noqa: PLC0415

    from hangtag.cli.opened import opened  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            settings, tagger = opened("server", {"bundle": bundle})
    except Stopped:
        return
    from hangtag.server.program import serve as run  # noqa: PLC0415

    if port is not None:
        settings = settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})

    def ready(bound: int) -> None:
        typer.echo(f"serving on {settings.server.host}:{bound}", err=True)

    asyncio.run(run(settings, tagger, ready=ready))
