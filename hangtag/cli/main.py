"""The entry point of `hangtag`: errors that the user can fix are printed in one line, others as a traceback."""

import os
import sys

# By module and name, not imported: a module that raised an error is loaded, and importing the others would be slow.
_USER_ERRORS = {
    "hangtag.settings": "SettingsError",
    "hangtag.bundle": "BundleError",
    "hangtag.tags.schema": "SchemaError",
    "hangtag.engine": "EngineError",
    "hangtag.export": "ExportError",
    "hangtag.tagger.faults": "FaultError",
    "hangtag.access": "TokensFileError",
    "hangtag.store": "StoreError",
    "hangtag.following.errors": "FollowingError",
    "hangtag.letters": "LetterError",
    "hangtag.models": "ModelsError",
    "hangtag.audit": "AuditError",
    "hangtag.tagger.references": "ReferencesError",
    "hangtag.write": "SinkError",
    "hangtag.workers.source": "SourceError",
    "hangtag.workers.worker": "StageError",
    "hangtag.server.errors": "ServerError",
    "hangtag.cli.local": "LocalError",
    "hangtag.cli.errors": "CommandError",
}


def main() -> None:
    """Run the command line and exit: 0 on success, 1 on failure, 2 on wrong usage."""
    # gRPC reads it when it is imported. Without it, it writes a line of its own for each TLS handshake that fails, so
    # that whoever scans ports fills the log.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from hangtag.cli.app import app  # noqa: PLC0415 (`import hangtag.cli` loads neither typer nor rich)

    try:
        app()
    except Exception as error:
        if not isinstance(error, _user_errors()):
            raise
        extra = getattr(error, "missing_extra", None)
        sys.stderr.write(f"hangtag: {error}{_hint(extra) if extra else ''}\n")
        sys.exit(1)


def _hint(extra: str) -> str:
    from hangtag.cli.installed import how_to_install  # noqa: PLC0415

    return f"; install them with {how_to_install(extra)}"


def _user_errors() -> tuple[type[Exception], ...]:
    loaded = ((sys.modules.get(module), name) for module, name in _USER_ERRORS.items())
    return tuple(getattr(module, name) for module, name in loaded if hasattr(module, name))
