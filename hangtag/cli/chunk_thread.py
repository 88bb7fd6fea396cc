"""Work on the records of a topic while the next ones are read."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self


class ChunkThread:
    """A thread that works on one chunk of records at a time; a context manager.

    Reading and decoding wait for Kafka while this thread waits for the store.
    """

    def __init__(self, work: Callable[..., None]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, "chunks")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def give(self, *chunk: Any) -> None:
        """Wait for the chunk before, and start with this one. Raises what the work on the chunk before raised."""
        self.finish()
        self._last = self._thread.submit(self._work, *chunk)

    def finish(self) -> None:
        """Wait for the chunk that was given last. Raises what the work on it raised."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
