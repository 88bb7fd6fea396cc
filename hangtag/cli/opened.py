"""What the worker and the server begin with."""

from typing import TYPE_CHECKING

from hangtag.settings import Settings, load_settings

if TYPE_CHECKING:  # brings the engine's runtime with it
    from hangtag.tagger.tagger import Tagger


def opened(program: str, model: dict[str, str | None]) -> "tuple[Settings, Tagger]":
    """Settings with the options of the command line over them, logs set up, and the tagger, warm.

    Raises:
        SettingsError, BundleError, EngineError: with what to do about it.
    """
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
    from hangtag.telemetry import configure_logs, get_log  # noqa: PLC0415

    settings = load_settings()
    given = {name: value for name, value in model.items() if value is not None}
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=given)})
    configure_logs(settings.log, program)
    tagger = open_tagger(settings.model)
    get_log(__name__).info("opened", bundle=tagger.bundle.version[:12], engine=tagger.engine.name)
    return settings, tagger
