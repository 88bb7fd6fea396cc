"""Product events at a steady rate."""

import threading
import time
from collections.abc import Callable
from typing import Self

from hangtag.cli.publisher import Publisher
from hangtag.settings import KafkaSettings
from hangtag.v1 import events_pb2


class Stream:
    """A thread that publishes `event(0)`, `event(1)`, ... at `per_s` events per second, until the block ends.

    When it falls behind, it catches up. Leaving the block waits until every event is acknowledged.
    """

    def __init__(self, settings: KafkaSettings, event: Callable[[int], events_pb2.ProductEvent], per_s: float) -> None:
        self._settings, self._event, self._per_s = settings, event, per_s
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Do nothing while the stream runs.

        Raises:
            CommandError: the brokers do not take the events.
        """
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with Publisher(self._settings) as publisher:
                started = time.monotonic()
                while not self._stop.wait(max(0.0, started + self.sent / self._per_s - time.monotonic())):
                    publisher.send(self._event(self.sent))
                    self.sent += 1
                publisher.finish()
        except Exception as error:  # noqa: BLE001 (raised by `check`)
            self._error = error
