"""Searching settings: many short runs of a recipe, the hopeless ones cut short, in a study that resumes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from hangtag.trainer.choosing.held_out import held_out
from hangtag.trainer.choosing.search_space import (
    DEFAULT_SPACE,
    Range,
    Space,
    check_space,
    drawn,
    read_space,
    with_settings,
)
from hangtag.trainer.choosing.study_folder import BEFORE_PRUNING, DIVERGED, StudyFolder, has_diverged, is_done
from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.files.folder_lock import locked
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.files.versions import versions_of
from hangtag.trainer.fitting.epochs import DivergedError, Progress
from hangtag.trainer.fitting.fit import fit
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.running.prepared import Prepared, fingerprint_of, prepare
from hangtag.trainer.running.tracking import Tracking

__all__ = ["DEFAULT_SPACE", "Range", "Space", "Trial", "Tuned", "read_space", "tune", "with_settings"]

_MORE_TIME = "allow more --minutes or fewer epochs"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that was told of: its number, state, last score and settings.

    States are `complete`, `pruned`, `diverged` (its loss became no number) and `fail` (a kill left it behind).
    """

    number: int
    state: str
    score: float | None
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A study: its trials, the best one's recipe, and each setting's importance (fANOVA) where it can be told."""

    trials: list[Trial]
    best: Recipe
    importance: Mapping[str, float]


def tune(
    recipe: Recipe,
    data: Path,
    study_folder: Path,
    *,
    trials: int,
    space: Space = DEFAULT_SPACE,
    hold_out: float = 0.1,
    minutes: float | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
    on_epoch: Callable[[int, Epoch], None] = lambda *_: None,
    on_step: Callable[[int, Progress], None] = lambda *_: None,
) -> Tuned:
    """Run trials until there are `trials`, those of earlier calls counted, and write `best.json`, a recipe.

    Scores are measured on a seeded part of the training files, so that the validation files stay unseen. A trial that
    is worse after an epoch than the median of those before it ends there; one that diverges has failed, and counts.

    Raises:
        RecipeError: the space does not fit the recipe, the study is of something else, or no trial was finished.
        FolderInUseError: another process searches in this study.
        LabelledFileError, BaseModelError: see `prepare`.
        OSError: the folder cannot be written.
    """
    check_space(recipe, space)
    about = {
        "recipe": {name: recipe.model_dump(mode="json")[name] for name in recipe.training()},
        "space": {name: each.model_dump(mode="json") for name, each in space.items()},
        "files": fingerprint_of(recipe, data),
        "hold_out": hold_out,
        # Scores of a study that held out single products, as once was done, are no measure beside these.
        "held_out_by": "groups of what is alike",
        "teachers": versions_of(recipe.pseudo_labels, recipe.distillation),
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = StudyFolder(study_folder)
    with locked(study_folder):
        folder.claim(about)
        study = folder.open()
        # A call that was killed left them behind.
        for stale in study.get_trials(states=[TrialState.RUNNING]):
            study.tell(stale.number, state=TrialState.FAIL)
        folder.drop_weights()
        # A sampler of the same seed would draw again what the first trials had.
        study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials))

        def objective(trial: optuna.Trial) -> float:
            chosen = drawn(recipe, space, trial)
            run = folder.run(trial.number)

            def told(epoch: Epoch) -> None:
                on_epoch(trial.number, epoch)
                tracking.epoch(epoch)
                trial.report(epoch.score, epoch.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

            def stepped(at: Progress) -> None:
                on_step(trial.number, at)
                tracking.step(at)

            prepared = _held_out(prepare(chosen, data), chosen, hold_out)
            run.claim(chosen, prepared.data_fingerprint, prepared.schema)
            prepared = prepared.with_teachers(chosen, RunFolder(study_folder))
            with Tracking(run, chosen) as tracking:
                model = prepared.model(chosen)
                try:
                    history = fit(model, prepared.train, prepared.validation, chosen, run, stepped, told)
                except DivergedError:
                    trial.set_user_attr(DIVERGED, value=True)
                    raise
            return max(epoch.score for epoch in history)

        def ended(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            on_trial(_told(trial))
            folder.drop_weights()

        done = sum(map(is_done, study.trials))
        study.optimize(
            objective,
            n_trials=max(0, trials - done),
            timeout=minutes and 60 * minutes,
            catch=(DivergedError,),
            callbacks=[ended],
            gc_after_trial=True,
        )
        finished = study.get_trials(states=[TrialState.COMPLETE])
        if not finished:
            diverged = sum(map(has_diverged, study.trials))
            way_out = f"{diverged} diverged, lower the learning rates of the space" if diverged else _MORE_TIME
            msg = f"no trial in {study_folder} was finished: {way_out}"
            raise RecipeError(msg)
        best = with_settings(recipe, study.best_params)
        folder.write_best(best)
    scores = {trial.value for trial in finished}
    importance = optuna.importance.get_param_importances(study) if len(scores) > BEFORE_PRUNING else {}
    return Tuned([_told(trial) for trial in study.trials], best, importance)


def _told(trial: optuna.trial.FrozenTrial) -> Trial:
    last = trial.intermediate_values.get(trial.last_step) if trial.last_step is not None else None
    state = DIVERGED if has_diverged(trial) else trial.state.name.lower()
    return Trial(trial.number, state, trial.value if trial.value is not None else last, trial.params)


def _held_out(prepared: Prepared, recipe: Recipe, share: float) -> Prepared:
    """Another division: a part of the training products takes the place of the validation products."""
    # What a teacher labelled cannot tell how good anything is.
    judging = [not source.pseudo_labels for source in recipe.sources]
    kept, out = held_out(prepared.train.sources, judging, share, recipe.seed)
    return replace(
        prepared,
        train=replace(prepared.train, sources=kept),
        validation=examples_of(out, prepared.schema, prepared.tokenizer),
        validation_products=out,
    )
