"""The training loop: epochs, checkpoints, kept weights, early stopping."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from safetensors.torch import load_file

from hangtag.trainer.data.examples import Example
from hangtag.trainer.data.training_set import TrainingSet
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.fitting.epochs import Epochs, Progress
from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.fitting.predict import predict
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.scores import check_validation, facet_scores
from hangtag.trainer.fitting.start import Start
from hangtag.trainer.fitting.state import EPOCH_START, State
from hangtag.trainer.recipe.recipe import Recipe


def fit(
    model: TagModel,
    train: TrainingSet,
    validation: Sequence[Example],
    recipe: Recipe,
    run: RunFolder,
    on_step: Callable[[Progress], object] = lambda _: None,
    on_epoch: Callable[[Epoch], object] = lambda _: None,
    processes: Processes | None = None,
    on_start: Callable[[Start], object] = lambda _: None,
) -> list[Epoch]:
    """Fine-tune `model` in place and leave the kept weights in it; returns the figures of every epoch.

    A checkpoint is written to the run folder after each epoch and every `checkpoint_minutes` within one. Called again
    with the same arguments, training resumes from it and ends with the same weights. Of several processes only the
    first one writes. `on_start` is called before the first step, unless training is finished.

    Raises:
        RecipeError: no validation example has a known tag.
        DivergedError: the loss is not a finite number.
    """
    check_validation(validation, train.schema)
    processes = processes or Processes()
    steps = math.ceil(train.size / recipe.batch_size)
    state = State.of(model, recipe, steps * recipe.epochs)
    history, position = state.resume(run)
    best = max((epoch.score for epoch in history), default=-math.inf)
    finished = run.is_trained
    processes.wait()
    epochs = Epochs(state, train, recipe, processes, on_step, lambda at: state.checkpoint(run, history, at))
    if processes.is_first and not finished:
        checkpoint = run.resume if run.resume.is_file() else None
        left = steps * (recipe.epochs - len(history)) - position.step
        # Validation runs only forward, a third of a step's work.
        checks = (recipe.epochs - len(history)) * len(validation) / recipe.batch_size / 3
        seconds = epochs.seconds_per_step() * (left + checks)
        on_start(Start(len(history) + 1, recipe.epochs, position.step, steps, seconds, checkpoint))
    for number in () if finished else range(len(history) + 1, recipe.epochs + 1):
        if _epochs_since_best(history) >= recipe.patience:
            break
        started = time.monotonic() - position.seconds
        loss = epochs.train(number, position)
        position = EPOCH_START
        facets = (
            facet_scores(predict(state.average.module, validation, recipe), validation, train.schema)
            if processes.is_first
            else {}
        )
        facets = processes.from_first(facets)
        epoch = Epoch(number, loss, float(np.mean(list(facets.values()))), facets, time.monotonic() - started)
        history.append(epoch)
        if processes.is_first:
            if recipe.keep == "last" or epoch.score > best:
                state.keep_best(run)
            state.checkpoint(run, history)
            run.write_history(history)
            on_epoch(epoch)
        best = max(best, epoch.score)
    processes.wait()
    state.tuning.finish(load_file(run.best, device=str(next(model.parameters()).device)))
    processes.wait()
    if processes.is_first:
        run.write_history(history)  # the process may have been killed between a checkpoint and its epoch's history
        run.resume.unlink(missing_ok=True)
    return history


def _epochs_since_best(history: Sequence[Epoch]) -> int:
    scores = [epoch.score for epoch in history]
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0
