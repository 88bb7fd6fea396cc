"""Searching settings: many short runs of a recipe, the hopeless ones cut short, in a study that resumes."""

import random
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from trainer.data.examples import examples_of
from trainer.fitting.fit import fit
from trainer.prepared import Prepared, prepare
from trainer.recipe import Recipe, RecipeError
from trainer.run_folder import Epoch, RunFolder

# Trials that run to their end before others are measured against them.
_BEFORE_PRUNING = 4


class Range(BaseModel):
    """The values of a setting: from `low` to `high` (`log`: by their order of magnitude), or one of `choices`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str | int | float, ...] = ()

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            msg = "give low and high, or choices"
            raise ValueError(msg)
        return self

    def drawn(self, trial: optuna.Trial, name: str) -> Any:
        """A value for this trial."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        assert self.low is not None
        assert self.high is not None
        return trial.suggest_float(name, self.low, self.high, log=self.log)


Space = Mapping[str, Range]
DEFAULT_SPACE: Space = {
    "learning_rate": Range(low=3e-5, high=5e-4, log=True),
    "head_learning_rate": Range(low=3e-4, high=5e-3, log=True),
    "layer_decay": Range(low=0.7, high=1.0),
    "label_smoothing": Range(low=0.0, high=0.15),
    "augmentation.mistype_in": Range(low=0.0, high=0.4),
}


def read_space(path: Path) -> Space:
    """Read a search space: a table per setting, dotted names in quotes (`["method.rank"]`).

    Raises:
        RecipeError: the file cannot be read or says what is no range.
    """
    try:
        return TypeAdapter(dict[str, Range]).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise RecipeError(msg) from error
    except ValueError as error:
        msg = f"{path}: {error}"
        raise RecipeError(msg) from error


def with_settings(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with settings changed, by dotted names.

    Raises:
        RecipeError: a name is no setting or a value does not fit.
    """
    settings = recipe.model_dump()
    for name, value in changes.items():
        *above, last = name.split(".")
        place = settings
        for part in above:
            place = place.get(part) or {}
        if last not in place:
            msg = f"search space: {name!r} is no setting of this recipe"
            raise RecipeError(msg)
        place[last] = value
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        msg = f"search space: {error}"
        raise RecipeError(msg) from error


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that was told of: its number, state (`complete`, `pruned`, `fail`), last score and settings."""

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
) -> Tuned:
    """Run trials until there are `trials`, those of earlier calls counted, and write `best.json`, a recipe.

    Scores are measured on a seeded part of the training files, so that the validation files stay unseen. A trial that
    is worse after an epoch than the median of those before it ends there.

    Raises:
        RecipeError: the space does not fit the recipe, or no trial was finished.
        LabelledFileError, BaseModelError: see `prepare`.
    """
    with_settings(recipe, {name: (each.choices or (each.low,))[0] for name, each in space.items()})
    study_folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="tune",
        storage=JournalStorage(JournalFileBackend(str(study_folder / "study.jsonl"))),
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=recipe.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING),
    )
    for stale in study.get_trials(states=[TrialState.RUNNING]):
        # A call that was killed left it behind.
        study.tell(stale.number, state=TrialState.FAIL)

    def objective(trial: optuna.Trial) -> float:
        chosen = with_settings(recipe, {name: each.drawn(trial, name) for name, each in space.items()})
        run = RunFolder(study_folder / f"trial-{trial.number}")
        run.claim(chosen)

        def told(epoch: Epoch) -> None:
            on_epoch(trial.number, epoch)
            trial.report(epoch.score, epoch.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        prepared = _held_out(prepare(chosen, data), chosen, hold_out)
        prepared = prepared.with_teachers(chosen, RunFolder(study_folder))
        history = fit(prepared.model(chosen), prepared.train, prepared.validation, chosen, run, on_epoch=told)
        return max(epoch.score for epoch in history)

    def ended(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        on_trial(_told(trial))
        for weights in (study_folder / f"trial-{trial.number}").glob("*.safetensors"):
            weights.unlink()  # many trials would fill the disk

    done = sum(trial.state is not TrialState.FAIL for trial in study.trials)
    study.optimize(
        objective,
        n_trials=max(0, trials - done),
        timeout=minutes and 60 * minutes,
        callbacks=[ended],
        gc_after_trial=True,
    )
    finished = study.get_trials(states=[TrialState.COMPLETE])
    if not finished:
        msg = f"no trial in {study_folder} was finished: allow more --minutes or fewer epochs"
        raise RecipeError(msg)
    best = with_settings(recipe, study.best_params)
    (study_folder / "best.json").write_text(best.model_dump_json(indent=1) + "\n", encoding="utf-8")
    scores = {trial.value for trial in finished}
    importance = optuna.importance.get_param_importances(study) if len(scores) > _BEFORE_PRUNING else {}
    return Tuned([_told(trial) for trial in study.trials], best, importance)


def _told(trial: optuna.trial.FrozenTrial) -> Trial:
    last = trial.intermediate_values.get(trial.last_step) if trial.last_step is not None else None
    return Trial(trial.number, trial.state.name.lower(), trial.value if trial.value is not None else last, trial.params)


def _held_out(prepared: Prepared, recipe: Recipe, share: float) -> Prepared:
    """Another division: a part of the training products takes the place of the validation products."""
    rng = random.Random(recipe.seed)
    kept, out = [], []
    for labelled, source in zip(prepared.train.sources, recipe.sources, strict=True):
        products = rng.sample(list(labelled), len(labelled))
        # What a teacher labelled cannot tell how good anything is.
        cut = 0 if source.pseudo_labels else max(1, round(share * len(products)))
        out += products[:cut]
        kept.append(products[cut:])
    return replace(
        prepared,
        train=replace(prepared.train, sources=kept),
        validation=examples_of(out, prepared.schema, prepared.tokenizer),
        validation_products=out,
    )
