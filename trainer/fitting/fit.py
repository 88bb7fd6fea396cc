"""The training loop: epochs, what is kept of them, early stopping."""

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
from hangtag.trainer.fitting.scores import check_judges, facet_scores
from hangtag.trainer.fitting.state import NOT_CUT, State
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
) -> list[Epoch]:
    """Fine-tune `model` in place and leave it with the weights that are kept; returns every epoch's figures.

    After each epoch, and every `checkpoint_minutes` within one, the run folder has all that is needed to go on: called
    again with the same arguments it does, and ends with the same weights. Only the first of several processes writes.

    Raises:
        RecipeError: no validation example judges anything.
        DivergedError: the loss is no number any more.
    """
    check_judges(validation, train.schema)
    processes = processes or Processes()
    steps = math.ceil(train.size / recipe.batch_size)
    state = State.of(model, recipe, steps * recipe.epochs)
    history, cut = state.resume(run)
    best = max((epoch.score for epoch in history), default=-math.inf)
    finished = run.is_trained
    processes.wait()
    epochs = Epochs(state, train, recipe, processes, on_step, lambda at: state.checkpoint(run, history, at))
    for number in () if finished else range(len(history) + 1, recipe.epochs + 1):
        if _stale(history) >= recipe.patience:
            break
        started = time.monotonic() - cut.seconds
        loss = epochs.train(number, cut)
        cut = NOT_CUT
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
        run.write_history(history)  # a kill may have come between a checkpoint and the history of its epoch
        run.resume.unlink(missing_ok=True)
    return history


def _stale(history: Sequence[Epoch]) -> int:
    scores = [epoch.score for epoch in history]
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0
