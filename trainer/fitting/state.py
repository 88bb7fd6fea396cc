"""What training changes and goes on from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, cast

import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.files.whole_file import write_whole
from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.fitting.optimizer import make_optimizer, warmup_then_linear
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.tuning import Tuning
from hangtag.trainer.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Cut:
    """How far into an epoch a checkpoint is: steps taken, the sum of their losses, seconds."""

    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0


NOT_CUT = Cut()


@dataclass(frozen=True, slots=True)
class State:
    """Everything that steps change. `average` is the moving average of the weights (without one, the weights)."""

    model: TagModel
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    tuning: Tuning

    @classmethod
    def of(cls, model: TagModel, recipe: Recipe, steps: int) -> Self:
        """That of a run of so many steps which has taken none."""
        tuning = Tuning(model, recipe.method, steps)
        optimizer = make_optimizer(model, recipe)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_linear(recipe, steps))
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay))  # type: ignore[no-untyped-call]
        return cls(model, average, optimizer, schedule, tuning)

    def step(self, processes: Processes, clip_norm: float) -> None:
        """Take a step by the gradients of all processes."""
        processes.add_up_gradients(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
        self.optimizer.step()
        self.tuning.after_step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        self.optimizer.zero_grad(set_to_none=True)

    def keep_best(self, run: RunFolder) -> None:
        """Write the averaged weights as those that the run keeps."""
        weights = self.tuning.plain_weights(cast(TagModel, self.average.module))
        write_whole(run.best, lambda path: save_file(weights, path))

    def checkpoint(self, run: RunFolder, history: Sequence[Epoch], cut: Cut = NOT_CUT) -> None:
        """Write all that the run needs to go on after the epochs of its history, `cut` into the next."""
        place = {"history": [asdict(epoch) for epoch in history], "cut": asdict(cut)}
        states = {field.name: getattr(self, field.name).state_dict() for field in fields(self)}
        write_whole(run.resume, lambda path: torch.save(states | place, path))

    def resume(self, run: RunFolder) -> tuple[list[Epoch], Cut]:
        """Go on from the run's checkpoint, if it has one: its finished epochs, and how far into the next it is."""
        if not run.resume.is_file():
            return (run.history() if run.best.is_file() else []), NOT_CUT
        # Onto this process's own device: each of several on one machine has another.
        device = next(self.model.parameters()).device
        saved: dict[str, Any] = torch.load(run.resume, map_location=device, weights_only=True)
        for field in fields(self):
            getattr(self, field.name).load_state_dict(saved[field.name])
        return [Epoch(**epoch) for epoch in saved["history"]], Cut(**saved["cut"])
