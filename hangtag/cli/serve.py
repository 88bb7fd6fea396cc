"""`hangtag serve`."""

import gc
import os
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.options import BundleName

if TYPE_CHECKING:  # loads gRPC
    from hangtag.server.member import Bound, Member

# When the garbage collector looks for circles among objects: often among few, since a look at 50,000 stops calls for
# 10 ms, and rarely among those that lasted, most of which are cached products.
_COLLECT_AFTER = (1_000, 4, 5_000)


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
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=64,
            help="Processes that serve on the port, one for each core. Default: the setting server.processes.",
        ),
    ] = None,
) -> None:
    """Run the server for look-ups and suggestions until it is stopped: gRPC, and HTTP where server.http_port is set.

    Example: hangtag serve --port 50051 --processes 4
    """
    from hangtag.settings import load_settings  # noqa: PLC0415
    from hangtag.telemetry import configure_logs  # noqa: PLC0415

    settings = load_settings()
    given = {"port": port, "processes": processes}
    given = {name: value for name, value in given.items() if value is not None}
    limits = settings.server.model_copy(update=given)
    if limits.processes == 1:
        _serve_alone(limits.port, bundle)
        return
    from hangtag.server.processes import Processes  # noqa: PLC0415

    configure_logs(settings.log, "server")
    server = Processes(settings.model_copy(update={"server": limits}), partial(serve_member, bundle=bundle))
    try:
        server.serve(lambda bound: _say_ready(limits.host, bound))
    except Exception as error:
        # The last line of the log has the reason and the stack; nothing follows it.
        raise typer.Exit(1) from error


def serve_member(member: "Member", bundle: str | None) -> None:
    """Run one of several processes."""
    from hangtag.telemetry.places import summary_of  # noqa: PLC0415

    threads = max(1, (os.cpu_count() or 1) // member.count)
    try:
        _serve_alone(member.port, bundle, member, threads)
    except Exception as error:  # noqa: BLE001 (the process that started this one reports it)
        member.fail(summary_of(error))
        raise SystemExit(1) from None


def _serve_alone(port: int, bundle: str | None, member: "Member | None" = None, threads: int | None = None) -> None:
    import asyncio  # noqa: PLC0415

    from hangtag.cli.open_program import open_program  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    number = None if member is None else member.number
    try:
        with stopping():
            settings, following = open_program("server", {"bundle": bundle}, number, threads)
    except Stopped:
        return
    from hangtag.server.program import serve as run  # noqa: PLC0415

    update: dict[str, object] = {"port": port}
    if member is not None:
        # The process that started this one shows the metrics of all.
        update |= {"http_port": member.http_port, "metrics_host": "127.0.0.1", "metrics_port": 0}
    settings = settings.model_copy(update={"server": settings.server.model_copy(update=update)})

    def ready(bound: "Bound") -> None:
        # What was loaded stays, so the collector need not look at it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT_AFTER)
        if member is None:
            _say_ready(settings.server.host, bound)

    try:
        with closing(following):
            asyncio.run(run(settings, following, ready=ready, member=member))
    except Exception as error:
        if member is not None:
            raise
        # The last line of the log has the reason and the stack; nothing follows it.
        raise typer.Exit(1) from error


def _say_ready(host: str, bound: "Bound") -> None:
    http = "" if bound.http_port is None else f", over HTTP on {host}:{bound.http_port}"
    typer.echo(f"serving on {host}:{bound.port}{http}", err=True)
