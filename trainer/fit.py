"""The training loop: epochs, checkpoints, early stopping, resume."""

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hangtag.schema import TagSchema
from trainer.examples import Example, batches, collate, in_order_of_length
from trainer.loss import tag_loss
from trainer.model import TagModel
from trainer.recipe import Recipe
from trainer.scores import facet_scores

_RESUME = "resume.pt"
BEST = "best.safetensors"
_HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a run's history; `score` is the mean over facets of weighted (single) or micro (multi) F1."""

    epoch: int
    loss: float
    score: float
    facets: dict[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands, told after every step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    tokens_per_s: float


def fit(
    model: TagModel,
    train: Sequence[Sequence[Example]],
    validation: Sequence[Example],
    schema: TagSchema,
    recipe: Recipe,
    run: Path,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Fine-tune `model` in place and leave it with its best epoch's weights; returns every epoch's figures.

    `train` holds one list of examples per source of the recipe. After each epoch the run folder has all that is needed
    to go on: called again with the same arguments it resumes after the last finished epoch.
    """
    device = next(model.parameters()).device
    per_epoch = [
        math.ceil(len(examples) * source.fraction) for examples, source in zip(train, recipe.sources, strict=True)
    ]
    steps = math.ceil(sum(per_epoch) / recipe.batch_size)
    optimizer = _optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_then_linear(recipe, steps * recipe.epochs))
    history = _resume(model, optimizer, schedule, run)
    best = max((epoch.score for epoch in history), default=-math.inf)
    finished = bool(history) and not (run / _RESUME).is_file()
    for number in () if finished else range(len(history) + 1, recipe.epochs + 1):
        if _stale(history) >= recipe.patience:
            break
        # An epoch's randomness hangs on its number alone, so a resumed run draws what an unbroken one would.
        rng = random.Random(recipe.seed * 10_007 + number)
        torch.manual_seed(recipe.seed * 10_007 + number)
        drawn = [
            example
            for examples, count in zip(train, per_epoch, strict=True)
            for example in rng.sample(list(examples), count)
        ]
        started = time.monotonic()
        loss = _train_epoch(model, drawn, optimizer, schedule, schema, recipe, rng, number, on_step)
        facets = facet_scores(predict(model, validation, recipe), validation, schema)
        epoch = Epoch(number, loss, float(np.mean(list(facets.values()))), facets, time.monotonic() - started)
        history.append(epoch)
        if epoch.score > best:
            best = epoch.score
            _replace(run / BEST, lambda path: save_file(_state(model), path))
        _checkpoint(model, optimizer, schedule, history, run)
        on_epoch(epoch)
    model.load_state_dict(load_file(run / BEST, device=str(device)))
    (run / _RESUME).unlink(missing_ok=True)
    return history


def predict(model: TagModel, examples: Sequence[Example], recipe: Recipe) -> NDArray[np.float32]:
    """Logits of shape (examples, tags), in the examples' order."""
    device = next(model.parameters()).device
    logits = np.empty((len(examples), model.head.out_features), np.float32)
    model.eval()
    with torch.inference_mode():
        for batch in in_order_of_length(examples, recipe.batch_size * 2):
            ids, mask, segments, *_ = collate([examples[index] for index in batch])
            with _autocast(device, recipe):
                logits[batch] = model(ids.to(device), mask.to(device), segments.to(device)).float().cpu().numpy()
    return logits


def _train_epoch(
    model: TagModel,
    examples: Sequence[Example],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    schema: TagSchema,
    recipe: Recipe,
    rng: random.Random,
    number: int,
    on_step: Callable[[Progress], None],
) -> float:
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
        schedule.step()
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


def _state(model: TagModel) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}


def _checkpoint(
    model: TagModel,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    history: Sequence[Epoch],
    run: Path,
) -> None:
    state = {
        "model": _state(model),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "history": [asdict(epoch) for epoch in history],
    }
    _replace(run / _RESUME, lambda path: torch.save(state, path))
    lines = "".join(json.dumps(epoch) + "\n" for epoch in state["history"])
    _replace(run / _HISTORY, lambda path: path.write_text(lines, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    # Whole or not at all: a run that is killed while it writes keeps its last checkpoint.
    part = path.with_name(path.name + ".part")
    write(part)
    part.replace(path)


def _resume(
    model: TagModel, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LambdaLR, run: Path
) -> list[Epoch]:
    if (run / _RESUME).is_file():
        state = torch.load(run / _RESUME, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return [Epoch(**epoch) for epoch in state["history"]]
    if (run / _HISTORY).is_file() and (run / BEST).is_file():
        return [Epoch(**json.loads(line)) for line in (run / _HISTORY).read_text().splitlines()]
    return []
