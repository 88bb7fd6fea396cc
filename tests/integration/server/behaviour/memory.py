"""How much memory something takes at its worst moment, in the process of the tests, which the server runs in."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

_EVERY_S = 0.005


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """A function that returns by how many bytes this process grew, at most, between the beginning and now."""
    gc.collect()
    process = psutil.Process()
    before = most = process.memory_info().rss
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(_EVERY_S):
            most = max(most, process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(most, process.memory_info().rss) - before
    finally:
        ended.set()
        thread.join()
