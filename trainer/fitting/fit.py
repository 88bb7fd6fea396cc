"""The training loop: epochs, checkpoints, early stopping, resume."""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trainer.data.examples import Example, batches, collate, collate_soft, in_order_of_length
from trainer.data.training_set import TrainingSet
from trainer.fitting.loss import tag_loss, tag_weights, taught_loss
from trainer.fitting.model import TagModel
from trainer.fitting.optimizer import make_optimizer, warmup_then_linear
from trainer.fitting.processes import Processes
from trainer.fitting.scores import facet_scores
from trainer.fitting.tuning import Tuning
from trainer.recipe import Recipe
from trainer.run_folder import Epoch, RunFolder


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands, told after every step: the epoch's mean loss so far, the highest learning rate."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    tokens_per_s: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that steps change. `average` is the moving average of the weights (without one, the weights)."""

    model: TagModel
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    tuning: Tuning

    def state_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name).state_dict() for field in fields(self)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        for field in fields(self):
            getattr(self, field.name).load_state_dict(saved[field.name])


def fit(
    model: TagModel,
    train: TrainingSet,
    validation: Sequence[Example],
    recipe: Recipe,
    run: RunFolder,
    on_step: Callable[[Progress], object] = lambda _: None,
    on_epoch: Callable[[Epoch], object] = lambda _: None,
    processes: Processes | None = None,
) -> list[Epoch]:
    """Fine-tune `model` in place and leave it with the weights that are kept; returns every epoch's figures.

    After each epoch the run folder has all that is needed to go on: called again with the same arguments it resumes
    after the last finished epoch. Only the first of several processes writes.
    """
    processes = processes or Processes()
    steps = math.ceil(train.size / recipe.batch_size)
    tuning = Tuning(model, recipe.method, steps * recipe.epochs)
    optimizer = make_optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_linear(recipe, steps * recipe.epochs))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay))  # type: ignore[no-untyped-call]
    state = _State(model, average, optimizer, schedule, tuning)
    history = _resume(state, run)
    best = max((epoch.score for epoch in history), default=-math.inf)
    finished = run.is_trained
    processes.wait()
    epochs = _Epochs(state, train, recipe, processes, on_step)
    for number in () if finished else range(len(history) + 1, recipe.epochs + 1):
        if _stale(history) >= recipe.patience:
            break
        started = time.monotonic()
        loss = epochs.train(number)
        facets = (
            facet_scores(predict(average.module, validation, recipe), validation, train.schema)
            if processes.is_first
            else {}
        )
        facets = processes.from_first(facets)
        epoch = Epoch(number, loss, float(np.mean(list(facets.values()))), facets, time.monotonic() - started)
        history.append(epoch)
        if processes.is_first:
            if recipe.keep == "last" or epoch.score > best:
                _replace(run.best, lambda path: save_file(tuning.plain_weights(cast(TagModel, average.module)), path))
            _checkpoint(state, history, run)
            on_epoch(epoch)
        best = max(best, epoch.score)
    processes.wait()
    tuning.finish(load_file(run.best, device=str(next(model.parameters()).device)))
    processes.wait()
    if processes.is_first:
        run.resume.unlink(missing_ok=True)
    return history


def predict(model: nn.Module, examples: Sequence[Example], recipe: Recipe) -> NDArray[np.float32]:
    """Logits of shape (examples, tags), in the examples' order."""
    device = next(model.parameters()).device
    logits = np.empty((len(examples), len(examples[0].targets)), np.float32)
    model.eval()
    with torch.inference_mode():
        for batch in in_order_of_length(examples, recipe.batch_size * 2):
            ids, mask, segments, *_ = collate([examples[index] for index in batch])
            with _autocast(device, recipe):
                logits[batch] = model(ids.to(device), mask.to(device), segments.to(device)).float().cpu().numpy()
    return logits


@dataclass(frozen=True, slots=True)
class _Epochs:
    """What turns one epoch after the other into steps."""

    state: _State
    examples: TrainingSet
    recipe: Recipe
    processes: Processes
    on_step: Callable[[Progress], object]

    def train(self, number: int) -> float:
        """Train an epoch; returns the mean loss."""
        recipe, schema, model = self.recipe, self.examples.schema, self.state.model
        # An epoch's randomness hangs on its number alone, so a resumed run draws what an unbroken one would.
        rng = random.Random(recipe.seed * 10_007 + number)
        torch.manual_seed(recipe.seed * 10_007 + number + self.processes.number * 1_000_003)
        examples = self.examples.draw(rng)
        weights = tag_weights(torch.from_numpy(self.examples.counts()), schema, recipe.objective.balance)
        device = next(model.parameters()).device
        weights = None if weights is None else weights.to(device)
        plan = batches([len(example.tokens) for example in examples], recipe.batch_size, rng)
        model.train()
        total, tokens, started = 0.0, 0, time.monotonic()
        for step, batch in enumerate(plan, 1):
            mine = self.processes.share(batch)
            size = recipe.forward_size or len(batch)
            for start in range(0, len(mine), size):
                part = [examples[index] for index in mine[start : start + size]]
                ids, mask, segments, targets, known = (tensor.to(device) for tensor in collate(part))
                with _autocast(device, recipe):
                    logits = model(ids, mask, segments)
                soft, taught = collate_soft(part), None
                if recipe.distillation and soft is not None:
                    lesson, soft = recipe.distillation, soft.to(device)
                    taught = lesson.weight * taught_loss(logits.float(), soft, schema, lesson.temperature)
                    known = known * (1 - lesson.weight * ~soft.isnan())
                loss = tag_loss(
                    logits.float(), targets, known, schema, recipe.label_smoothing, recipe.objective, weights
                )
                loss = loss if taught is None else loss + taught
                loss = (loss + self.state.tuning.penalty()) * (len(part) / len(batch))
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
                tokens += int(mask.sum())
            self._step()
            speed = tokens / (time.monotonic() - started)
            rate = max(map(float, self.state.schedule.get_last_lr()))
            self.on_step(Progress(number, recipe.epochs, step, len(plan), total / step, speed, rate))
        return self.processes.sum(total) / len(plan)

    def _step(self) -> None:
        state = self.state
        self.processes.add_up_gradients(state.model.parameters())
        nn.utils.clip_grad_norm_(state.model.parameters(), self.recipe.clip_norm)
        state.optimizer.step()
        state.tuning.after_step()
        state.schedule.step()
        state.average.update_parameters(state.model)
        state.optimizer.zero_grad(set_to_none=True)


def _autocast(device: torch.device, recipe: Recipe) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")


def _stale(history: Sequence[Epoch]) -> int:
    scores = [epoch.score for epoch in history]
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0


def _checkpoint(
    state: _State,
    history: Sequence[Epoch],
    run: RunFolder,
) -> None:
    epochs = [asdict(epoch) for epoch in history]
    _replace(run.resume, lambda path: torch.save(state.state_dict() | {"history": epochs}, path))
    run.write_history(history)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    # Whole or not at all: a run that is killed while it writes keeps its last checkpoint.
    part = path.with_name(path.name + ".part")
    write(part)
    part.replace(path)


def _resume(state: _State, run: RunFolder) -> list[Epoch]:
    if run.resume.is_file():
        saved = torch.load(run.resume, weights_only=True)
        state.load_state_dict(saved)
        return [Epoch(**epoch) for epoch in saved["history"]]
    return run.history() if run.best.is_file() else []
