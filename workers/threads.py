"""One thread per stage."""

from concurrent.futures import Executor
from dataclasses import dataclass

from hangtag.tagger.stage_thread import StageThread


@dataclass(frozen=True, slots=True)
class StageThreads:
    """Where stages run; each runs one call at a time, in the order of the calls."""

    encode: Executor
    forward: Executor
    write: Executor


def open_threads() -> StageThreads:
    """Start the three threads."""
    return StageThreads(*(StageThread(f"stage-{name}") for name in ("encode", "forward", "write")))
