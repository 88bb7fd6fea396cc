"""What the worker and the server open at start-up."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hangtag.settings import Settings, load_settings

if TYPE_CHECKING:  # loads the engine's runtime
    from hangtag.tagger.tagger import Tagger


def open_program(
    program: str,
    model: Mapping[str, Any],
    process: int | None = None,
    threads: int | None = None,
    *,
    in_bulk: bool = False,
) -> "tuple[Settings, Tagger]":
    """Load the settings, configure logs, and open and warm up the tagger.

    `model` holds settings of the group `model` from the command line; None: not given. `process` is the number of this
    process among several, for the logs, and `threads` the threads of the engine where no setting says it. `in_bulk` is
    that of `open_tagger`.

    Raises:
        SettingsError, BundleError, EngineError, FaultError: the message says what to do.
    """
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
    from hangtag.telemetry import configure_logs, get_log  # noqa: PLC0415

    settings = load_settings()
    given = {name: value for name, value in model.items() if value is not None}
    given.setdefault("threads", settings.model.threads or threads)
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=given)})
    configure_logs(settings.log, program, process)
    tagger = open_tagger(settings.model, in_bulk=in_bulk)
    get_log(__name__).info(
        "opened", bundle=tagger.bundle.manifest.name, version=tagger.bundle.version[:12], engine=tagger.engine.name
    )
    return settings, tagger
