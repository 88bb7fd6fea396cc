"""Hyperparameter search: many short runs of a recipe, with pruning, in a study that can be resumed."""

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
    draw_recipe,
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

__all__ = ["DEFAULT_SPACE", "Range", "Space", "Trial", "TuningResult", "read_space", "tune", "with_settings"]

_NEED_TIME = "allow more --minutes or fewer epochs"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial's number, state, last score and settings.

    States are `complete`, `pruned`, `diverged` (the loss was not finite) and `fail` (the process was killed).
    """

    number: int
    state: str
    score: float | None
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TuningResult:
    """A study's trials, the best trial's recipe, and each setting's importance (fANOVA; empty with too few trials)."""

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
) -> TuningResult:
    """Run trials until there are `trials`, including those of earlier calls, and write the best recipe to `best.json`.

    Scores are measured on a random share `hold_out` of the training products, so that the validation files stay unseen.
    A trial is pruned if its score after an epoch is below the median of earlier trials. A trial that diverges has
    failed, but counts.

    Raises:
        RecipeError: the space does not fit the recipe, the folder holds another study, or no trial was completed.
        FolderInUseError: another process works in this study.
        LabelledFileError, BaseModelError: see `prepare`.
        OSError: the folder cannot be written.
    """
    check_space(recipe, space)
    description = {
        "recipe": {name: recipe.model_dump(mode="json")[name] for name in recipe.training()},
        "space": {name: each.model_dump(mode="json") for name, each in space.items()},
        "files": fingerprint_of(recipe, data),
        "hold_out": hold_out,
        # Scores of older studies, which held out single products, cannot be compared with these.
        "held_out_by": "groups of what is alike",
        "teachers": versions_of(recipe.pseudo_labels, recipe.distillation),
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = StudyFolder(study_folder)
    with locked(study_folder):
        folder.claim(description)
        study = folder.open()
        # Left behind by a killed process.
        for stale in study.get_trials(states=[TrialState.RUNNING]):
            study.tell(stale.number, state=TrialState.FAIL)
        folder.drop_weights()
        # With the same seed, the sampler would repeat the draws of the first trials.
        study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials))

        def objective(trial: optuna.Trial) -> float:
            chosen = draw_recipe(recipe, space, trial)
            run = folder.run(trial.number)

            def report_epoch(epoch: Epoch) -> None:
                on_epoch(trial.number, epoch)
                tracking.epoch(epoch)
                trial.report(epoch.score, epoch.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

            def report_step(at: Progress) -> None:
                on_step(trial.number, at)
                tracking.step(at)

            prepared = _with_held_out(prepare(chosen, data), chosen, hold_out)
            run.claim(chosen, prepared.data_fingerprint, prepared.schema)
            prepared = prepared.with_teachers(chosen, RunFolder(study_folder))
            with Tracking(run, chosen) as tracking:
                model = prepared.model(chosen)
                try:
                    history = fit(model, prepared.train, prepared.validation, chosen, run, report_step, report_epoch)
                except DivergedError:
                    trial.set_user_attr(DIVERGED, value=True)
                    raise
            return max(epoch.score for epoch in history)

        def end_trial(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            on_trial(_trial_of(trial))
            folder.drop_weights()

        done = sum(map(is_done, study.trials))
        study.optimize(
            objective,
            n_trials=max(0, trials - done),
            timeout=minutes and 60 * minutes,
            catch=(DivergedError,),
            callbacks=[end_trial],
            gc_after_trial=True,
        )
        finished = study.get_trials(states=[TrialState.COMPLETE])
        if not finished:
            diverged = sum(map(has_diverged, study.trials))
            advice = f"{diverged} diverged, lower the learning rates in the space" if diverged else _NEED_TIME
            msg = f"no trial in {study_folder} was completed: {advice}"
            raise RecipeError(msg)
        best = with_settings(recipe, study.best_params)
        folder.write_best(best)
    scores = {trial.value for trial in finished}
    importance = optuna.importance.get_param_importances(study) if len(scores) > BEFORE_PRUNING else {}
    return TuningResult([_trial_of(trial) for trial in study.trials], best, importance)


def _trial_of(trial: optuna.trial.FrozenTrial) -> Trial:
    last = trial.intermediate_values.get(trial.last_step) if trial.last_step is not None else None
    state = DIVERGED if has_diverged(trial) else trial.state.name.lower()
    return Trial(trial.number, state, trial.value if trial.value is not None else last, trial.params)


def _with_held_out(prepared: Prepared, recipe: Recipe, share: float) -> Prepared:
    """Replace the validation products by a share of the training products."""
    # Pseudo-labels cannot measure quality.
    is_scored = [not source.pseudo_labels for source in recipe.sources]
    kept, out = held_out(prepared.train.sources, is_scored, share, recipe.seed)
    return replace(
        prepared,
        train=replace(prepared.train, sources=kept),
        validation=examples_of(out, prepared.schema, prepared.tokenizer),
        validation_products=out,
    )
