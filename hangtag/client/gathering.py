"""Look-ups of single products that run at the same time, asked for in one call."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import Any

from hangtag.client.errors import CallError

# Batches of more ids are read after smaller ones.
MOST_TOGETHER = 100
# So many calls run at a time; what comes meanwhile waits and is asked for together.
LANES = 2


class Wanted:
    """A product that a caller waits for; `future` is of `concurrent.futures` or of asyncio."""

    __slots__ = ("deadline", "future", "request")

    def __init__(self, request: Any, deadline: float, future: Any) -> None:
        self.request = request
        self.deadline = deadline
        self.future = future

    def answer(self, message: Any) -> None:
        """Hand over the message, if the caller still waits."""
        if not self.future.done():
            with suppress(InvalidStateError):  # a thread that stops waiting just now
                self.future.set_result(message)

    def fail(self, error: BaseException) -> None:
        """Hand over an error, if the caller still waits."""
        if not self.future.done():
            with suppress(InvalidStateError):
                self.future.set_exception(error)


def take(waiting: deque[Wanted]) -> Sequence[Wanted]:
    """Remove those of the next call: the longest waiting one, and others with the same filter behind it.

    Those that nobody waits for any more are left out; there may be none.
    """
    taken: list[Wanted] = []
    while waiting and len(taken) < MOST_TOGETHER:
        if taken and waiting[0].request.filter != taken[0].request.filter:
            break
        wanted = waiting.popleft()
        if not wanted.future.done():
            taken.append(wanted)
    return taken


def failed(wanted: Sequence[Wanted], error: BaseException) -> None:
    """Nobody waits for ever, whatever happened."""
    for each in wanted:
        each.fail(error.copy() if isinstance(error, CallError) else error)
