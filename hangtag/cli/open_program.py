"""What the worker and the server open at start-up."""

from typing import TYPE_CHECKING

from hangtag.settings import Settings, load_settings

if TYPE_CHECKING:  # loads the engine's runtime
    from hangtag.tagger.tagger import Tagger


def open_program(program: str, model: dict[str, str | None]) -> "tuple[Settings, Tagger]":
    """Load the settings, configure logs, and open and warm up the tagger.

    `model` holds settings of the group `model` from the command line; None: not given.

    Raises:
        SettingsError, BundleError, EngineError, FaultError: the message says what to do.
    """
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
    from hangtag.telemetry import configure_logs, get_log  # noqa: PLC0415

    settings = load_settings()
    given = {name: value for name, value in model.items() if value is not None}
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=given)})
    configure_logs(settings.log, program)
    tagger = open_tagger(settings.model)
    get_log(__name__).info(
        "opened", bundle=tagger.bundle.manifest.name, version=tagger.bundle.version[:12], engine=tagger.engine.name
    )
    return settings, tagger
