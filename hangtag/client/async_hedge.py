"""Hedging as in `hangtag/client/hedge.py`, on an event loop."""

import asyncio
import time
from typing import Any

from hangtag.client.servers import Server
from hangtag.client.steps import Send


async def send_hedged(send: Send, after_s: float) -> Any:
    """The first answer of one or two servers; the other call is cancelled.

    Raises:
        grpc.RpcError: both failed, or one did before the other was needed.
    """
    deadline = time.monotonic() + send.timeout_s
    calls = [_start(send, send.server, send.timeout_s)]
    try:
        await asyncio.wait(calls, timeout=after_s)
        if not calls[0].done() and send.other is not None:
            other = send.other(send.server)
            left_s = deadline - time.monotonic()
            if other is not None and left_s > 0:
                calls.append(_start(send, other, left_s))
            # gRPC ends each call at its deadline.
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            if all(each.exception() for each in calls if each.done()):
                await asyncio.wait(calls)
        return await next((each for each in calls if each.done() and not each.exception()), calls[0])
    finally:
        for call in calls:
            call.cancel()
        # Of those that lost, nobody reads the errors.
        await asyncio.gather(*calls, return_exceptions=True)


def _start(send: Send, server: Server, timeout_s: float) -> "asyncio.Future[Any]":
    call = server.methods[send.method](send.request, timeout=timeout_s, metadata=send.metadata)
    future: asyncio.Future[Any] = asyncio.ensure_future(call)
    return future
