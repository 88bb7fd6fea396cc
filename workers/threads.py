"""The threads of the stages."""

from concurrent.futures import Executor
from dataclasses import dataclass

from hangtag.tagger.stage_thread import StageThread


@dataclass(frozen=True, slots=True)
class StageThreads:
    """Where stages run, in the order of the calls: `write` one at a time, the others as many as the engine asks for."""

    encode: Executor
    forward: Executor
    write: Executor


def open_threads(at_once: int = 1) -> StageThreads:
    """Start the threads; `at_once` batches may be encoded, and as many run, at the same time (`CostModel.at_once`)."""
    return StageThreads(
        StageThread("stage-encode", at_once), StageThread("stage-forward", at_once), StageThread("stage-write")
    )
