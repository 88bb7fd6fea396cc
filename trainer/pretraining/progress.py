"""Progress of continued pre-training: its figures, step by step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from hangtag.trainer.files.json_lines import append_line, keep_lines
from hangtag.trainer.pretraining.settings import PretrainingError


@dataclass(frozen=True, slots=True)
class Step:
    """The progress after a step; `loss` is the last logged mean loss."""

    step: int
    steps: int
    loss: float | None


class ProgressWriter(TrainerCallback):  # type: ignore[misc]
    """Calls `on_step` after every step and writes the figures of every tenth and of the last step; prints nothing.

    Raises:
        PretrainingError: the loss is not a finite number.
    """

    def __init__(self, file: Path, on_step: Callable[[Step], object]) -> None:
        self._file = file
        self._on_step = on_step
        self._loss: float | None = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Remove the figures of steps that will be repeated."""
        keep_lines(self._file, lambda line: line["step"] <= state.global_step)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:
        """Write the figures of a step."""
        if "loss" not in logs:  # the summary at the end
            return
        self._loss = float(logs["loss"])
        check_loss(self._loss, f"by step {state.global_step}")
        figures = {"loss": self._loss, "learning_rate": float(logs["learning_rate"])}
        append_line(self._file, {"step": state.global_step, "steps": state.max_steps} | figures)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report a step."""
        control.should_log |= state.global_step == state.max_steps
        self._on_step(Step(state.global_step, state.max_steps, self._loss))


def check_loss(loss: float, when: str) -> None:
    """Check that the loss is finite.

    Raises:
        PretrainingError: the loss is not a finite number.
    """
    if not math.isfinite(loss):
        msg = (
            f"the loss is not a finite number {when}: start again with a lower learning rate in another folder (--out)"
        )
        raise PretrainingError(msg)
