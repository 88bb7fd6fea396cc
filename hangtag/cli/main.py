"""Where `hangtag` begins: errors that a user can mend become one line, everything else stays a traceback."""

import sys

# Named and not imported: a module that raised one is loaded by then, and the others cost time.
_MENDABLE = {
    "hangtag.settings": "SettingsError",
    "hangtag.bundle": "BundleError",
    "hangtag.tags.schema": "SchemaError",
    "hangtag.engine": "EngineError",
    "hangtag.tagger.probe": "EngineDownError",
    "hangtag.store": "StoreError",
    "hangtag.workers.source": "SourceError",
    "hangtag.server.errors": "ServerError",
    "hangtag.cli.local": "LocalError",
    "hangtag.cli.errors": "CommandError",
}


def main() -> None:
    """Run the command line and end the process: 0 fine, 1 failed, 2 wrong use."""
    from hangtag.cli.app import app  # noqa: PLC0415 (`import hangtag.cli` stays free of typer and rich)

    try:
        app()
    except Exception as error:
        if not isinstance(error, _mendable()):
            raise
        sys.stderr.write(f"hangtag: {error}\n")
        sys.exit(1)


def _mendable() -> tuple[type[Exception], ...]:
    loaded = ((sys.modules.get(module), name) for module, name in _MENDABLE.items())
    return tuple(getattr(module, name) for module, name in loaded if hasattr(module, name))
