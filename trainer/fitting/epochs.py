"""The training steps of an epoch."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hangtag.trainer.data.examples import Example, batches, collate, collate_soft, collate_topics, in_order_of_length
from hangtag.trainer.data.training_set import TrainingSet
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.fitting.loss import distillation_loss, scope_loss, tag_loss, tag_weights
from hangtag.trainer.fitting.predict import autocast
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.state import Position, State
from hangtag.trainer.recipe.recipe import Recipe

# All processes must agree on whether a checkpoint is due, so it is not checked after every step.
_STEPS_PER_CHECK = 10
# A batch of middle length is chosen among the batches of this number.
_BATCHES_MEASURED = 5
# torch's seeds have 64 bits.
_SEEDS = 2**64


class DivergedError(TrainerError):
    """The loss is not a finite number; the message says where and what to change."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of training after a step.

    `loss` is the epoch's mean loss so far; `learning_rate` is the highest of all parameter groups.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    tokens_per_s: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Epochs:
    """Runs the steps of epochs; `checkpoint` is called only in the first process."""

    state: State
    examples: TrainingSet
    recipe: Recipe
    processes: Processes
    on_step: Callable[[Progress], object]
    checkpoint: Callable[[Position], object]

    def train(self, number: int, start: Position) -> float:
        """Train an epoch from a position in it; returns the mean loss of the complete epoch.

        Raises:
            DivergedError: the loss is not a finite number.
        """
        recipe, processes = self.recipe, self.processes
        # An epoch's random numbers depend only on its number, so that a resumed run equals an uninterrupted one.
        seed = recipe.seed * 10_007 + number
        rng = random.Random(seed)
        examples = self.examples.draw(rng)
        plan = batches([len(example.tokens) for example in examples], recipe.batch_size, rng)
        weights = self._weights()
        self.state.model.train()
        before, own, tokens = start.loss, 0.0, 0
        started = saved = time.monotonic()
        for step, batch in enumerate(plan[start.step :], start.step + 1):
            # A step's random numbers (dropout) depend only on epoch, step and process, so that it can be resumed.
            torch.manual_seed(((seed * 1_000_003 + step) * 1_009 + processes.number) % _SEEDS)
            mine = [examples[index] for index in processes.share(batch)]
            size = recipe.forward_size or len(batch)
            for first in range(0, len(mine), size):
                part = mine[first : first + size]
                loss = (self._loss(part, weights) + self.state.tuning.penalty()) * (len(part) / len(batch))
                loss.backward()  # type: ignore[no-untyped-call]
                own += self._checked(loss.item(), number, step)
                tokens += sum(len(example.tokens) for example in part)
            self.state.step(processes, recipe.clip_norm)
            # A process has only the loss of its own part; the mean is estimated from that.
            mean = (before + own * processes.count) / step
            speed = tokens * processes.count / (time.monotonic() - started)
            rate = max(map(float, self.state.schedule.get_last_lr()))
            self.on_step(Progress(number, recipe.epochs, step, len(plan), mean, speed, rate))
            is_due = time.monotonic() - saved >= 60 * recipe.checkpoint_minutes
            if step % _STEPS_PER_CHECK == 0 and step < len(plan) and processes.from_first(is_due):
                before, own, saved = before + processes.sum(own), 0.0, time.monotonic()
                if processes.is_first:
                    self.checkpoint(Position(step, before, start.seconds + saved - started))
        return (before + processes.sum(own)) / len(plan)

    def seconds_per_step(self) -> float:
        """The time of a step with a batch of middle length, measured without a change to weights or random numbers."""
        recipe, processes = self.recipe, self.processes
        sample = self.examples.sample(_BATCHES_MEASURED * recipe.batch_size)
        plan = list(in_order_of_length(sample, recipe.batch_size))
        mine = [sample[index] for index in processes.share(plan[len(plan) // 2])] or sample[:1]
        size = recipe.forward_size or len(mine)
        weights = self._weights()
        self.state.model.train()
        seconds = 0.0
        is_cuda = processes.device.type == "cuda"
        with torch.random.fork_rng([processes.device] if is_cuda else []):
            # The first pass also sets up the device, which can take longer than the step.
            for _ in range(2):
                started = time.monotonic()
                for first in range(0, len(mine), size):
                    self._loss(mine[first : first + size], weights).backward()  # type: ignore[no-untyped-call]
                self.state.optimizer.zero_grad(set_to_none=True)
                if is_cuda:
                    torch.cuda.synchronize(processes.device)
                seconds = time.monotonic() - started
        return seconds

    def _loss(self, examples: Sequence[Example], weights: Tensor | None) -> Tensor:
        recipe, schema, model = self.recipe, self.examples.schema, self.state.model
        device = next(model.parameters()).device
        ids, mask, segments, targets, known = (tensor.to(device) for tensor in collate(examples))
        with autocast(device, recipe):
            scores = model(ids, mask, segments).float()
        logits = scores[:, : len(schema.tags)]
        soft, distilled = collate_soft(examples), None
        if recipe.distillation and soft is not None:
            settings, soft = recipe.distillation, soft.to(device)
            distilled = settings.weight * distillation_loss(logits, soft, schema, settings.temperature)
            known = known * (1 - settings.weight * ~soft.isnan())
        loss = tag_loss(logits, targets, known, schema, recipe.label_smoothing, recipe.objective, weights)
        if recipe.queries:
            loss = loss + scope_loss(scores[:, -1], collate_topics(examples).to(device))
        return loss if distilled is None else loss + distilled

    def _checked(self, loss: float, epoch: int, step: int) -> float:
        if math.isfinite(loss):
            return loss
        msg = (
            f"the loss is not a finite number in epoch {epoch}, step {step}: lower learning_rate "
            f"({self.recipe.learning_rate:g}) or head_learning_rate ({self.recipe.head_learning_rate:g}), and start "
            "with another --run"
        )
        raise DivergedError(msg)

    def _weights(self) -> Tensor | None:
        counts = torch.from_numpy(self.examples.counts())
        weights = tag_weights(counts, self.examples.schema, self.recipe.objective.balance)
        return None if weights is None else weights.to(next(self.state.model.parameters()).device)
