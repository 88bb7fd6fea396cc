"""Stops the server so that each call ends with its reply, or with UNAVAILABLE, which clients retry on another server.

Transports end the calls that still run, wait to be read, or arrive before their client knows, when they stop. So calls
are finished or ended here first, and then connections are closed: a call that is still on its way then ends with
UNAVAILABLE at its client.
"""

import asyncio
import time

from hangtag.server.calls import Calls
from hangtag.server.health import Health
from hangtag.server.transport import Transport
from hangtag.server.waits import Waits
from hangtag.settings import ServerSettings
from hangtag.telemetry import get_log

# How long calls are served while waiting for a moment without one, then refused. Only a busy server has no such moment.
_SERVE_LIMIT_S = 1.0
# How long calls may take to send UNAVAILABLE at the end of the grace period.
_END_LIMIT_S = 0.5
_LOOK_EVERY_S = 0.005

_log = get_log(__name__)


async def drain(transport: Transport, health: Health, calls: Calls, waits: Waits, settings: ServerSettings) -> None:
    """Report NOT_SERVING, wait for clients to notice, finish calls in progress, and close."""
    _log.info("stopping", drain_s=settings.drain_s, grace_s=settings.grace_s)
    await health.shut_down()
    waits.drain(settings.drain_s)
    await asyncio.sleep(settings.drain_s)
    if not await _wait_idle(transport, calls, min(_SERVE_LIMIT_S, settings.grace_s)):
        calls.refuse_new()
        if not await _wait_idle(transport, calls, settings.grace_s):
            calls.end_running()
            await _wait_idle(transport, calls, _END_LIMIT_S)
    await transport.stop()


async def _wait_idle(transport: Transport, calls: Calls, limit_s: float) -> bool:
    """Wait until every call is answered and its reply is sent; returns False if that takes longer."""
    end = time.monotonic() + limit_s
    while calls.in_progress or transport.unsent:
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True
