"""`hangtag arrivals`."""

import typer


def arrivals() -> None:
    """Read product events ahead of the workers, so that look-ups know what is on its way, until it is stopped.

    It marks which version of which product was received. Look-ups then answer PENDING with the time that is left, or
    STALE, however many events wait for the workers. It needs no model, and one is enough for 20,000 events a second;
    a second one takes over when the first ends.

    Example: hangtag arrivals
    """
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    try:
        with stopping():
            from hangtag.settings import load_settings  # noqa: PLC0415
            from hangtag.telemetry import configure_logs  # noqa: PLC0415
            from hangtag.workers.arrivals_program import read_arrivals  # noqa: PLC0415

            settings = load_settings()
            configure_logs(settings.log, "arrivals")
    except Stopped:
        return
    try:
        read_arrivals(settings)
    except Exception as error:
        # The last line of the log has the reason and the stack; nothing follows it.
        raise typer.Exit(1) from error
