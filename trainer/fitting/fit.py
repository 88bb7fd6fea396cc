"""The training loop: epochs, checkpoints, early stopping, resume."""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hangtag.schema import TagSchema
from trainer.data.examples import Example, batches, collate, in_order_of_length
from trainer.data.training_set import TrainingSet
from trainer.fitting.loss import tag_loss
from trainer.fitting.model import TagModel
from trainer.fitting.scores import facet_scores
from trainer.recipe import Recipe
from trainer.run_folder import Epoch, RunFolder


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands, told after every step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that steps change. `average` is the moving average of the weights (without one, the weights)."""

    model: TagModel
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR

    def state_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name).state_dict() for field in fields(self)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        for field in fields(self):
            getattr(self, field.name).load_state_dict(saved[field.name])


def fit(
    model: TagModel,
    train: TrainingSet,
    validation: Sequence[Example],
    schema: TagSchema,
    recipe: Recipe,
    run: RunFolder,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Fine-tune `model` in place and leave it with the weights that are kept; returns every epoch's figures.

    After each epoch the run folder has all that is needed to go on: called again with the same arguments it resumes
    after the last finished epoch.
    """
    device = next(model.parameters()).device
    steps = math.ceil(train.size / recipe.batch_size)
    optimizer = _optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_then_linear(recipe, steps * recipe.epochs))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay))  # type: ignore[no-untyped-call]
    state = _State(model, average, optimizer, schedule)
    history = _resume(state, run)
    best = max((epoch.score for epoch in history), default=-math.inf)
    finished = bool(history) and not run.resume.is_file()
    for number in () if finished else range(len(history) + 1, recipe.epochs + 1):
        if _stale(history) >= recipe.patience:
            break
        # An epoch's randomness hangs on its number alone, so a resumed run draws what an unbroken one would.
        rng = random.Random(recipe.seed * 10_007 + number)
        torch.manual_seed(recipe.seed * 10_007 + number)
        started = time.monotonic()
        loss = _train_epoch(state, train.draw(rng), schema, recipe, rng, number, on_step)
        facets = facet_scores(predict(average.module, validation, recipe), validation, schema)
        epoch = Epoch(number, loss, float(np.mean(list(facets.values()))), facets, time.monotonic() - started)
        history.append(epoch)
        if recipe.keep == "last" or epoch.score > best:
            best = epoch.score
            _replace(run.best, lambda path: save_file(_weights(average.module), path))
        _checkpoint(state, history, run)
        on_epoch(epoch)
    model.load_state_dict(load_file(run.best, device=str(device)))
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


def _train_epoch(
    state: _State,
    examples: Sequence[Example],
    schema: TagSchema,
    recipe: Recipe,
    rng: random.Random,
    number: int,
    on_step: Callable[[Progress], None],
) -> float:
    model, optimizer = state.model, state.optimizer
    device = next(model.parameters()).device
    plan = batches([len(example.tokens) for example in examples], recipe.batch_size, rng)
    model.train()
    total, tokens, started = 0.0, 0, time.monotonic()
    for step, batch in enumerate(plan, 1):
        ids, mask, segments, targets, known = (tensor.to(device) for tensor in collate([examples[i] for i in batch]))
        with _autocast(device, recipe):
            logits = model(ids, mask, segments)
        loss = tag_loss(logits.float(), targets, known, schema, recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        state.schedule.step()
        state.average.update_parameters(model)
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
        tokens += int(mask.sum())
        on_step(
            Progress(number, recipe.epochs, step, len(plan), total / step, tokens / (time.monotonic() - started)),
        )
    return total / len(plan)


def _autocast(device: torch.device, recipe: Recipe) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")


def _optimizer(model: TagModel, recipe: Recipe) -> torch.optim.AdamW:
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1
        groups.setdefault((name.startswith("head."), decays), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": recipe.head_learning_rate if is_head else recipe.learning_rate,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (is_head, decays), parameters in groups.items()
        ],
        fused=True,
    )


def _warmup_then_linear(recipe: Recipe, steps: int) -> Callable[[int], float]:
    warmup = max(1, int(steps * recipe.warmup))

    def factor(step: int) -> float:
        return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))

    return factor


def _stale(history: Sequence[Epoch]) -> int:
    scores = [epoch.score for epoch in history]
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}


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
