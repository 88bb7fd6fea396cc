"""The state of training, and its checkpoints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, cast

import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hangtag.trainer.files.atomic_file import write_atomically
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.fitting.optimizer import make_optimizer, warmup_then_linear
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.tuning import Tuning
from hangtag.trainer.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Position:
    """A position within an epoch: the steps taken, the sum of their losses, and the seconds that they took."""

    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0


EPOCH_START = Position()


@dataclass(frozen=True, slots=True)
class State:
    """Everything that training steps change.

    `average` is the exponential moving average of the weights, or the weights themselves if `ema_decay` is 0.
    """

    model: TagModel
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    tuning: Tuning

    @classmethod
    def of(cls, model: TagModel, recipe: Recipe, steps: int) -> Self:
        """Fresh state for a run of `steps` steps."""
        tuning = Tuning(model, recipe.method, steps)
        optimizer = make_optimizer(model, recipe)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_linear(recipe, steps))
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay))  # type: ignore[no-untyped-call]
        return cls(model, average, optimizer, schedule, tuning)

    def step(self, processes: Processes, clip_norm: float) -> None:
        """Take an optimizer step with the gradients of all processes."""
        processes.sum_gradients(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
        self.optimizer.step()
        self.tuning.after_step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        self.optimizer.zero_grad(set_to_none=True)

    def keep_best(self, run: RunFolder) -> None:
        """Write the averaged weights as the run's best weights."""
        weights = self.tuning.plain_weights(cast(TagModel, self.average.module))
        write_atomically(run.best, lambda path: save_file(weights, path))

    def checkpoint(self, run: RunFolder, history: Sequence[Epoch], position: Position = EPOCH_START) -> None:
        """Write a checkpoint after the epochs in `history`, at `position` in the next epoch."""
        place = {"history": [asdict(epoch) for epoch in history], "cut": asdict(position)}
        states = {field.name: getattr(self, field.name).state_dict() for field in fields(self)}
        write_atomically(run.resume, lambda path: torch.save(states | place, path))

    def resume(self, run: RunFolder) -> tuple[list[Epoch], Position]:
        """Load the run's checkpoint, if there is one; returns the finished epochs and the position in the next one."""
        if not run.resume.is_file():
            return (run.history() if run.best.is_file() else []), EPOCH_START
        # Each process on a machine has its own device.
        device = next(self.model.parameters()).device
        saved: dict[str, Any] = torch.load(run.resume, map_location=device, weights_only=True)
        for field in fields(self):
            getattr(self, field.name).load_state_dict(saved[field.name])
        return [Epoch(**epoch) for epoch in saved["history"]], Position(**saved["cut"])
