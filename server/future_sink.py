"""Answers for calls that wait on a future of the event loop."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from hangtag.server.calls import Calls
from hangtag.server.look_up import LookUp
from hangtag.server.lookups import Answer


class FutureSink:
    """A `Sink` for look-ups whose `call` is a future: the answers of a list come with one wake-up of the event loop.

    Made on the event loop.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._loop = asyncio.get_running_loop()

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        """See `Sink`."""
        with suppress(RuntimeError):  # the event loop is closed, and with it all connections
            self._loop.call_soon_threadsafe(self._deliver, look_ups, answers)

    def _deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        sent: list[Answer | None] = []
        for look_up, answer in zip(look_ups, answers, strict=True):
            future = look_up.call
            if future.done():
                sent.append(None)
            else:
                future.set_result(answer)
                sent.append(answer)
        self._calls.answered(look_ups, sent)
