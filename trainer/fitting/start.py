"""How training starts: where in the epochs, and how long the rest will take."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Start:
    """The state before the first step.

    `epoch` is the one that comes next and `step` the steps already taken in it; an epoch has `steps`. `seconds` is the
    expected time for all remaining epochs, measured with one batch; training often stops earlier. `checkpoint` is the
    file that the run resumes from, None for a new run.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    seconds: float
    checkpoint: Path | None
