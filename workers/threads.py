"""One thread a stage."""

from concurrent.futures import Executor
from dataclasses import dataclass

from hangtag.tagger.stage_thread import StageThread


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where stages run; each runs one call at a time, in the order of the calls."""

    encode: Executor
    forward: Executor
    write: Executor


def open_lanes() -> Lanes:
    """Three threads."""
    return Lanes(*(StageThread(f"lane-{name}") for name in ("encode", "forward", "write")))
