"""The steps of an epoch."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hangtag.trainer.data.examples import Example, batches, collate, collate_soft
from hangtag.trainer.data.training_set import TrainingSet
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.fitting.loss import tag_loss, tag_weights, taught_loss
from hangtag.trainer.fitting.predict import autocast
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.state import Cut, State
from hangtag.trainer.recipe.recipe import Recipe

# Whether a checkpoint is due is a question to all processes, so it is not asked after every step.
_STEPS_A_LOOK = 10
# torch takes no seed of more bits.
_SEEDS = 2**64


class DivergedError(TrainerError):
    """The loss is no number any more; the message says where and what to change."""


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
class Epochs:
    """What turns one epoch after the other into steps; `checkpoint` is called in the first process alone."""

    state: State
    examples: TrainingSet
    recipe: Recipe
    processes: Processes
    on_step: Callable[[Progress], object]
    checkpoint: Callable[[Cut], object]

    def train(self, number: int, cut: Cut) -> float:
        """Train an epoch from where it was cut; returns its mean loss.

        Raises:
            DivergedError: the loss is no finite number.
        """
        recipe, processes = self.recipe, self.processes
        # An epoch's randomness hangs on its number alone, so a resumed run draws what an unbroken one would.
        seed = recipe.seed * 10_007 + number
        rng = random.Random(seed)
        examples = self.examples.draw(rng)
        plan = batches([len(example.tokens) for example in examples], recipe.batch_size, rng)
        weights = self._weights()
        self.state.model.train()
        before, own, tokens = cut.loss, 0.0, 0
        started = saved = time.monotonic()
        for step, batch in enumerate(plan[cut.step :], cut.step + 1):
            # And a step's on its own, so that those before it need not be taken again.
            torch.manual_seed(((seed * 1_000_003 + step) * 1_009 + processes.number) % _SEEDS)
            mine = [examples[index] for index in processes.share(batch)]
            size = recipe.forward_size or len(batch)
            for start in range(0, len(mine), size):
                part = mine[start : start + size]
                loss = (self._loss(part, weights) + self.state.tuning.penalty()) * (len(part) / len(batch))
                loss.backward()  # type: ignore[no-untyped-call]
                own += self._checked(loss.item(), number, step)
                tokens += sum(len(example.tokens) for example in part)
            self.state.step(processes, recipe.clip_norm)
            # Each process knows the loss of its own part of a batch.
            mean = (before + own * processes.count) / step
            speed = tokens * processes.count / (time.monotonic() - started)
            rate = max(map(float, self.state.schedule.get_last_lr()))
            self.on_step(Progress(number, recipe.epochs, step, len(plan), mean, speed, rate))
            is_due = time.monotonic() - saved >= 60 * recipe.checkpoint_minutes
            if step % _STEPS_A_LOOK == 0 and step < len(plan) and processes.from_first(is_due):
                before, own, saved = before + processes.sum(own), 0.0, time.monotonic()
                if processes.is_first:
                    self.checkpoint(Cut(step, before, cut.seconds + saved - started))
        return (before + processes.sum(own)) / len(plan)

    def _loss(self, examples: Sequence[Example], weights: Tensor | None) -> Tensor:
        recipe, schema, model = self.recipe, self.examples.schema, self.state.model
        device = next(model.parameters()).device
        ids, mask, segments, targets, known = (tensor.to(device) for tensor in collate(examples))
        with autocast(device, recipe):
            logits = model(ids, mask, segments)
        soft, taught = collate_soft(examples), None
        if recipe.distillation and soft is not None:
            lesson, soft = recipe.distillation, soft.to(device)
            taught = lesson.weight * taught_loss(logits.float(), soft, schema, lesson.temperature)
            known = known * (1 - lesson.weight * ~soft.isnan())
        loss = tag_loss(logits.float(), targets, known, schema, recipe.label_smoothing, recipe.objective, weights)
        return loss if taught is None else loss + taught

    def _checked(self, loss: float, epoch: int, step: int) -> float:
        if math.isfinite(loss):
            return loss
        msg = (
            f"the loss is no number in epoch {epoch}, step {step}: lower learning_rate ({self.recipe.learning_rate:g}) "
            f"or head_learning_rate ({self.recipe.head_learning_rate:g}), and start with another --run"
        )
        raise DivergedError(msg)

    def _weights(self) -> Tensor | None:
        counts = torch.from_numpy(self.examples.counts())
        weights = tag_weights(counts, self.examples.schema, self.recipe.objective.balance)
        return None if weights is None else weights.to(next(self.state.model.parameters()).device)
