"""Stops the server so that each call ends with its reply, or with UNAVAILABLE, which clients retry on another server.

gRPC's own stop ends calls with CANCELLED, which nobody retries: those that wait to be read, that arrive before their
client knows, or that outlive the grace period. So calls are finished or ended here, and then connections are closed
before gRPC is stopped: a call that is still on its way then ends with UNAVAILABLE at its client.
"""

import asyncio
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from grpc import aio

from hangtag.server.calls import Calls
from hangtag.server.listener import HealthServicer
from hangtag.settings import ServerSettings
from hangtag.telemetry import get_log

# How long calls are served while waiting for a moment without one, then refused. Only a busy server has no such moment.
_SERVE_LIMIT_S = 1.0
# How long calls may take to send UNAVAILABLE at the end of the grace period.
_END_LIMIT_S = 0.5
_REPORT_LIMIT_S = 1.0
# gRPC's `stop` sometimes waits longer than the grace period that it is given.
_STOP_LIMIT_S = 5.0
# Linux and macOS both have it.
_OPEN_FILES = Path("/dev/fd")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)

_log = get_log(__name__)


async def drain(
    listener: aio.Server, port: int, servicer: HealthServicer, calls: Calls, settings: ServerSettings
) -> None:
    """Report NOT_SERVING, wait for clients to notice, finish calls in progress, and close."""
    _log.info("stopping", drain_s=settings.drain_s, grace_s=settings.grace_s)
    with suppress(TimeoutError):
        async with asyncio.timeout(_REPORT_LIMIT_S):
            await servicer.enter_graceful_shutdown()
    await asyncio.sleep(settings.drain_s)
    if not await calls.wait_idle(min(_SERVE_LIMIT_S, settings.grace_s)):
        calls.refuse_new()
        if not await calls.wait_idle(settings.grace_s):
            calls.end_running()
            await calls.wait_idle(_END_LIMIT_S)
    _close_connections(port)
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_LIMIT_S):
            await listener.stop(0)


def _close_connections(port: int) -> None:
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
