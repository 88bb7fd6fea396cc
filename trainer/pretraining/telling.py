"""Figures of continued pre-training, while it goes on."""

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
    """Where it stands."""

    step: int
    steps: int
    loss: float | None


class Teller(TrainerCallback):  # type: ignore[misc]
    """Tells of every step and writes every tenth one's figures, and the last one's; nothing is printed.

    Raises:
        PretrainingError: the loss is no number any more.
    """

    def __init__(self, file: Path, on_step: Callable[[Step], object]) -> None:
        self._file = file
        self._on_step = on_step
        self._loss: float | None = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Take back what was told of steps that are taken again."""
        keep_lines(self._file, lambda told: told["step"] <= state.global_step)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:
        """Write the figures of a step."""
        if "loss" not in logs:  # what it sums up when it ends
            return
        self._loss = float(logs["loss"])
        check_loss(self._loss, f"by step {state.global_step}")
        figures = {"loss": self._loss, "learning_rate": float(logs["learning_rate"])}
        append_line(self._file, {"step": state.global_step, "steps": state.max_steps} | figures)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of a step."""
        control.should_log |= state.global_step == state.max_steps
        self._on_step(Step(state.global_step, state.max_steps, self._loss))


def check_loss(loss: float, when: str) -> None:
    """Refuse what cannot get better.

    Raises:
        PretrainingError: the loss is no number.
    """
    if not math.isfinite(loss):
        msg = f"the loss is no number {when}: take a lower learning rate, and another folder (--out) to start anew"
        raise PretrainingError(msg)
