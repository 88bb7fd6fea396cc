"""Sending a look-up a second time, to another server, when the first one is slow: the first answer counts."""

import queue
import time
from typing import Any

import grpc

from hangtag.client.steps import Send


def send_hedged(send: Send, after_s: float) -> Any:
    """The first answer of one or two servers; the other call is cancelled.

    Raises:
        grpc.RpcError: both failed, or one did before the other was needed.
    """
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    deadline = time.monotonic() + send.timeout_s
    calls = [_start(send, send.server, send.timeout_s, ended)]
    try:
        try:
            first = ended.get(timeout=after_s)
        except queue.Empty:
            other = send.other(send.server) if send.other is not None else None
            left_s = deadline - time.monotonic()
            if other is not None and left_s > 0:
                calls.append(_start(send, other, left_s, ended))
            # gRPC ends each call at its deadline.
            first = ended.get()
            if len(calls) > 1 and not _is_ok(first):
                last = ended.get()
                first = last if _is_ok(last) else calls[0]
        return first.result()
    finally:
        for call in calls:
            call.cancel()


def _is_ok(call: Any) -> bool:
    return bool(call.code() is grpc.StatusCode.OK)


def _start(send: Send, server: Any, timeout_s: float, ended: "queue.SimpleQueue[Any]") -> Any:
    call = server.methods[send.method].future(send.request, timeout=timeout_s, metadata=send.metadata)
    call.add_done_callback(ended.put)
    return call
