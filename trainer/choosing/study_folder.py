"""A study's folder: what it is of, its trials, and the best of them."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.files.whole_file import write_text
from hangtag.trainer.recipe.recipe import Recipe, RecipeError

# Trials that run to their end before others are measured against them.
BEFORE_PRUNING = 4
_SCORED = (TrialState.COMPLETE, TrialState.PRUNED)
# What a failed trial says of itself whose loss became no number: one that a kill left behind says nothing.
DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """`study.json` says what the study is of, `study.jsonl` has its trials, `best.json` is the best one's recipe.

    `trial-N` is a trial's run, without weights once it is over. `lock` is kept while trials run.
    """

    path: Path

    def claim(self, about: dict[str, Any]) -> None:
        """Make the folder a study of this, which is plain JSON. One of which no trial has a score gives way.

        Raises:
            RecipeError: it is a study of something else.
        """
        kept = json.loads(self._about.read_text(encoding="utf-8")) if self._about.is_file() else {}
        if kept == about:
            return
        if self._trials.is_file():
            study = self.open()
            if study.get_trials(deepcopy=False, states=_SCORED):
                msg = f"{self.path} holds a study that differs in {_differing(about, kept)}: name another --study"
                raise RecipeError(msg)
            for trial in study.trials:
                shutil.rmtree(self.run(trial.number).path, ignore_errors=True)
            self._trials.unlink()
        write_text(self._about, json.dumps(about, indent=1) + "\n")

    def open(self) -> optuna.Study:
        """The study."""
        return optuna.create_study(
            study_name="tune",
            storage=JournalStorage(JournalFileBackend(str(self._trials))),
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING),
        )

    def run(self, trial: int) -> RunFolder:
        """A trial's run."""
        return RunFolder(self.path / f"trial-{trial}")

    def drop_weights(self) -> None:
        """Remove what is large of trials that are over: many would fill the disk."""
        for pattern in ("*.safetensors", "*.pt", "*.part"):
            for file in self.path.glob(f"trial-*/{pattern}"):
                file.unlink()

    def write_best(self, recipe: Recipe) -> None:
        """Write the best trial's recipe."""
        write_text(self.path / "best.json", recipe.model_dump_json(indent=1) + "\n")

    @property
    def _about(self) -> Path:
        return self.path / "study.json"

    @property
    def _trials(self) -> Path:
        return self.path / "study.jsonl"


def has_diverged(trial: FrozenTrial) -> bool:
    """Whether the trial ended because its loss became no number."""
    return DIVERGED in trial.user_attrs


def is_done(trial: FrozenTrial) -> bool:
    """Whether a study that is over counts this trial."""
    return trial.state in _SCORED or has_diverged(trial)


def _differing(about: dict[str, Any], kept: dict[str, Any]) -> str:
    """What differs, of tables also in which of their names."""
    told = []
    for name, value in about.items():
        before = kept.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = sorted(each for each in value.keys() | before.keys() if value.get(each) != before.get(each))
            told += [f"{name} ({', '.join(inner)})"] if inner else []
        elif value != before:
            told.append(name)
    return ", ".join(told)
