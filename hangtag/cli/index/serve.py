"""`hangtag index serve`."""

import typer


def serve() -> None:
    """Keep products by their tags in memory, and answer servers that ask for them, until it is stopped.

    It reads products.tagged from its beginning, or from its snapshot if index.snapshot_dir is set, and follows what
    comes. Until it has caught up, its health is NOT_SERVING. Servers find it at server.index_address.

    Example: HANGTAG_INDEX__SNAPSHOT_DIR=/var/lib/hangtag hangtag index serve
    """
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            from hangtag.server.index.program import serve_index  # noqa: PLC0415
            from hangtag.settings import load_settings  # noqa: PLC0415
            from hangtag.telemetry import configure_logs  # noqa: PLC0415

            settings = load_settings()
            configure_logs(settings.log, "index")
    except Stopped:
        return
    try:
        serve_index(settings)
    except Exception as error:
        # The last line of the log has the reason and the stack; nothing follows it.
        raise typer.Exit(1) from error
