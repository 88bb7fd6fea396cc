"""A study's folder: its description, its trials, and the best recipe."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.recipe.recipe import Recipe, RecipeError

# The number of complete trials before pruning starts.
BEFORE_PRUNING = 4
_SCORED = (TrialState.COMPLETE, TrialState.PRUNED)
# A user attribute of failed trials with a loss that was not finite; trials that failed by a kill do not have it.
DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """A study's folder.

    Files: `study.json`, the study's description; `study.jsonl`, its trials; `best.json`, the best trial's recipe;
    `trial-N`, a trial's run folder, without weights once the trial has ended; `lock`, held while trials run.
    """

    path: Path

    def claim(self, description: dict[str, Any]) -> None:
        """Reserve the folder for a study with this description (JSON). A study without any scored trial is replaced.

        Raises:
            RecipeError: the folder holds a study with another description.
        """
        kept = json.loads(self._description.read_text(encoding="utf-8")) if self._description.is_file() else {}
        if kept == description:
            return
        if self._trials.is_file():
            study = self.open()
            if study.get_trials(deepcopy=False, states=_SCORED):
                msg = f"{self.path} holds a study with other {_differing(description, kept)}: choose another --study"
                raise RecipeError(msg)
            for trial in study.trials:
                shutil.rmtree(self.run(trial.number).path, ignore_errors=True)
            self._trials.unlink()
        write_text(self._description, json.dumps(description, indent=1) + "\n")

    def open(self) -> optuna.Study:
        """Open the study, or create it."""
        return optuna.create_study(
            study_name="tune",
            storage=JournalStorage(JournalFileBackend(str(self._trials))),
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING),
        )

    def run(self, trial: int) -> RunFolder:
        """A trial's run folder."""
        return RunFolder(self.path / f"trial-{trial}")

    def drop_weights(self) -> None:
        """Remove the large files of ended trials, so that many trials do not fill the disk."""
        for pattern in ("*.safetensors", "*.pt", "*.part"):
            for file in self.path.glob(f"trial-*/{pattern}"):
                file.unlink()

    def write_best(self, recipe: Recipe) -> None:
        """Write the best trial's recipe."""
        write_text(self.path / "best.json", recipe.model_dump_json(indent=1) + "\n")

    @property
    def _description(self) -> Path:
        return self.path / "study.json"

    @property
    def _trials(self) -> Path:
        return self.path / "study.jsonl"


def has_diverged(trial: FrozenTrial) -> bool:
    """Whether the trial failed because its loss was not finite."""
    return DIVERGED in trial.user_attrs


def is_done(trial: FrozenTrial) -> bool:
    """Whether the trial counts towards the requested number of trials."""
    return trial.state in _SCORED or has_diverged(trial)


def _differing(description: dict[str, Any], kept: dict[str, Any]) -> str:
    """The names of what differs, with the differing names inside tables."""
    names = []
    for name, value in description.items():
        before = kept.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = sorted(each for each in value.keys() | before.keys() if value.get(each) != before.get(each))
            names += [f"{name} ({', '.join(inner)})"] if inner else []
        elif value != before:
            names.append(name)
    return ", ".join(names)
