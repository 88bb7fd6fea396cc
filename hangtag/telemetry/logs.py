"""Structured logs, one line per event: JSON or, on a terminal, coloured text. Never log product texts or secrets."""

import logging
import sys

import structlog

from hangtag.settings import LogSettings
from hangtag.telemetry.library_log import FoldedLibraryLog

Log = structlog.stdlib.BoundLogger


def configure_logs(settings: LogSettings, program: str, process: int | None = None) -> None:
    """Write Hangtag's logs and the warnings of libraries to standard error; every line has the field `program`.

    `process`, the number of this process among several of the program, is a field too if it is given. Lines of the
    Kafka client are folded, unless the level is `debug`.
    """
    place = {"program": program} if process is None else {"program": program, "process": process}
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())

    def add_program(_log: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """On every thread's lines: context variables are those of one thread."""
        return {**place, **event}

    shared: list[structlog.typing.Processor] = [
        add_program,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    if settings.level != "debug":
        handler.addFilter(FoldedLibraryLog())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("hangtag").setLevel(settings.level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_log(name: str) -> Log:
    """The logger of a module; call it as `get_log(__name__)`."""
    log: Log = structlog.stdlib.get_logger(name)
    return log
