"""The connections that clients have made to a port of this process."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

# Linux and macOS both have it.
_OPEN_FILES = Path("/dev/fd")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def close_connections(port: int) -> None:
    """Close the connections that clients made to this port; gRPC has no call for it."""
    for file in list(_OPEN_FILES.iterdir()):
        with suppress(OSError):
            # A copy: gRPC may close the file, and something else may get its number, at any time.
            copy = os.dup(int(file.name))
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                os.close(copy)
                continue
            with socket.socket(fileno=copy) as connection:
                if connection.family in _FAMILIES and connection.getsockname()[1] == port:
                    connection.shutdown(socket.SHUT_RDWR)
