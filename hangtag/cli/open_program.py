"""What the worker and the server open at start-up."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hangtag.settings import Settings, load_settings

if TYPE_CHECKING:  # loads the engine's runtime
    from hangtag.following.following import Following


def open_program(
    program: str,
    model: Mapping[str, Any],
    process: int | None = None,
    threads: int | None = None,
    *,
    in_bulk: bool = False,
) -> "tuple[Settings, Following]":
    """Load the settings, configure logs, and open and warm up the tagger: that of the bundle in use, where one is.

    `model` holds settings of the group `model` from the command line; None: not given. With a bundle of its own a
    program does not use another. `process` is the number of this process among several, for the logs, and `threads` the
    threads of the engine where no setting says it. `in_bulk` is that of `open_tagger`.

    Raises:
        SettingsError, BundleError, EngineError, FaultError, RefusedError: the message says what to do.
    """
    from hangtag.following.start import open_following  # noqa: PLC0415
    from hangtag.telemetry import configure_logs, get_log  # noqa: PLC0415

    settings = load_settings()
    given = {name: value for name, value in model.items() if value is not None}
    given.setdefault("threads", settings.model.threads or threads)
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=given)})
    configure_logs(settings.log, program, process)
    following = open_following(settings, in_bulk=in_bulk, own_bundle="bundle" in given)
    get_log(__name__).info("opened", **following.names())
    return settings, following
