"""A real Redis that speaks TLS; the Valkey of the local stack is built without it."""

import os
import shutil
from pathlib import Path

import pytest

from hangtag.cli.local import Child, LocalServer, free_port
from hangtag.cli.local.server import responds
from tests.certificates import Certificates

_UNPACKED = Path(__file__).resolve().parent.parent / ".venv" / "redis" / "usr"


def start_redis_tls(folder: Path, certificates: Certificates) -> LocalServer:
    """Start it with TLS on `port`; a Unix socket without TLS, `redis.sock` in `folder`, is for the test itself.

    Clients need a certificate once `tls-auth-clients` is `yes`. Skips the test if there is no Redis with TLS.
    """
    unpacked = _UNPACKED / "bin" / "redis-server"
    binary = str(unpacked) if unpacked.is_file() else shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server, which speaks TLS: make redis-tls")
    port = free_port()
    options = {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(certificates.server_cert),
        "tls-key-file": str(certificates.server_key),
        "tls-ca-cert-file": str(certificates.ca),
        "tls-auth-clients": "no",
        "unixsocket": str(folder / "redis.sock"),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "save": "",
    }
    command = [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]
    libraries = {"LD_LIBRARY_PATH": ":".join(map(str, _UNPACKED.glob("lib/*")))} if unpacked.is_file() else {}
    child = Child("redis", command, folder, {**os.environ, **libraries})
    return LocalServer(child, port, f"rediss://127.0.0.1:{port}/0", lambda: responds(port))
