"""`hangtag resume`."""

from typing import Annotated

import typer

_TIMEOUT_S = 5
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1"}  # noqa: S104 (to connect, not to listen)


def resume(
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=1,
            max=65_535,
            help="Port of the worker's metrics. Default: the setting worker.metrics_port.",
        ),
    ] = None,
) -> None:
    """Let the worker on this machine read on although most records become dead letters.

    A worker pauses when half of its records become dead letters. It tries some every 30 s and goes on by itself once
    most of them are good; this command is for records that you want out of the way now. Every worker that is paused
    needs it.

    Example: hangtag resume --port 9102
    """
    import json  # noqa: PLC0415
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    from hangtag.cli.errors import CommandError  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415

    settings = settings_here().worker
    host = _EVERYWHERE.get(settings.metrics_host, settings.metrics_host)
    address = f"{host}:{port or settings.metrics_port}"
    request = Request(f"http://{address}/resume", method="POST", data=b"")
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310 (always http)
            is_resumed = json.load(reply)["resumed"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        reason = getattr(error, "reason", error)
        msg = f"no worker answers at {address} ({reason}): run this on its machine, or name its port with --port"
        raise CommandError(msg) from error
    typer.echo(
        f"the worker at {address} reads on"
        if is_resumed
        else f"the worker at {address} is not paused for dead letters: nothing to do"
    )
