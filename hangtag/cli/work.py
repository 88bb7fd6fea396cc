"""`hangtag work`."""

import signal
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.options import BundleName, EngineName

if TYPE_CHECKING:  # loads Kafka's client
    from hangtag.workers.processes import WorkerPlace


def work(
    engine: EngineName = None,
    bundle: BundleName = None,
    devices: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICES",
            help="GPUs, a process for each: all, or numbers such as 0,1. Default: the setting worker.devices.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Join the group with a bundle of its own although another one was promoted."),
    ] = False,
) -> None:
    """Run a worker that tags the products from Kafka until it is stopped.

    Example: hangtag work --devices all --bundle runs/shop/bundle
    """
    from hangtag.cli.open_program import open_program  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.settings import load_settings  # noqa: PLC0415

    if not force:
        _check_joining(bundle)
    if chosen := load_settings().worker.devices if devices is None else devices:
        _work_on(chosen, bundle)
        return
    try:
        with stopping():
            settings, following = open_program("worker", {"engine": engine, "bundle": bundle}, in_bulk=True)
    except Stopped:
        return
    from hangtag.workers.program import work as run  # noqa: PLC0415

    with closing(following):
        try:
            run(settings, following)
        except Exception as error:
            # The last line of the log has the reason and the stack; nothing follows it.
            raise typer.Exit(1) from error


def _check_joining(bundle: str | None) -> None:
    from hangtag.following.joining import check_joining  # noqa: PLC0415
    from hangtag.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    if bundle is not None or settings.models.store is None:
        check_joining(settings)


def _work_on(devices: str, bundle: str | None) -> None:
    from hangtag.cli.errors import CommandError  # noqa: PLC0415
    from hangtag.settings import load_settings  # noqa: PLC0415
    from hangtag.telemetry import configure_logs  # noqa: PLC0415
    from hangtag.workers.devices import DevicesError, devices_of  # noqa: PLC0415
    from hangtag.workers.processes import Workers  # noqa: PLC0415

    settings = load_settings()
    try:
        found = devices_of(devices)
    except DevicesError as error:
        raise CommandError(str(error)) from error
    configure_logs(settings.log, "worker")
    try:
        Workers(settings, found, partial(work_at, bundle=bundle)).work()
    except Exception as error:
        raise typer.Exit(1) from error


def work_at(place: "WorkerPlace", bundle: str | None) -> None:
    """Run one of several processes."""
    from hangtag.cli.open_program import open_program  # noqa: PLC0415
    from hangtag.settings import load_settings  # noqa: PLC0415
    from hangtag.telemetry.places import summary_of  # noqa: PLC0415
    from hangtag.workers.devices import use_device  # noqa: PLC0415

    # Ctrl-C reaches all processes; the one that started this one decides what becomes of it.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    engine = use_device(place.device)
    try:
        model: dict[str, object] = {"engine": engine, "bundle": bundle}
        if engine != "cpu" and load_settings().model.encoders is None:
            model["encoders"] = place.cores - 1
        settings, following = open_program("worker", model, place.number, place.cores, in_bulk=True)
        from hangtag.workers.processes import Bound  # noqa: PLC0415
        from hangtag.workers.program import work as run  # noqa: PLC0415

        with closing(following):
            run(place.settings(settings), following, place.stop_event(), lambda port: place.parent.ready(Bound(port)))
    except Exception as error:  # noqa: BLE001 (the process that started this one reports it)
        place.parent.fail(summary_of(error))
        raise SystemExit(1) from None
