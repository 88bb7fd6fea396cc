"""Waits for Kafka at the start, and for the request to stop meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

_LOOK_EVERY_S = 0.05


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


def open_unless_stopped(opening: Callable[[], T], stop: threading.Event) -> T | None:
    """What `opening` returns, or None as soon as `stop` is set: then it is closed when it comes at last.

    Raises what `opening` raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(opening())
        except BaseException as error:  # noqa: BLE001 (the caller gets it)
            future.set_exception(error)

    threading.Thread(target=run, name="opening", daemon=True).start()
    while not future.done():
        if stop.wait(_LOOK_EVERY_S):
            future.add_done_callback(_close)
            return None
    return future.result()


def _close(future: "Future[T]") -> None:
    if future.exception() is None:
        future.result().close()
