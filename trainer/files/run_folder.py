"""The files in a run's folder: how training writes them and how they are read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.numpy import save_file

from hangtag.tags.schema import TagSchema
from hangtag.text.wide import Wide
from hangtag.trainer.files.atomic_file import write_atomically, write_text
from hangtag.trainer.files.versions import versions_of
from hangtag.trainer.recipe.recipe import Recipe, RecipeError, reasons_of
from hangtag.trainer.recipe.wide import WideSettings

# The number of characters of a version that messages show.
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a run's history; `score` is the mean over facets of weighted (single) or micro (multi) F1."""

    epoch: int
    loss: float
    score: float
    facets: dict[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder.

    Files: `recipe.json`; `history.jsonl`, the finished epochs; `best.safetensors`, the kept weights; `resume.pt`, the
    last checkpoint while training is unfinished; `steps.jsonl`, the figures of every tenth step; `schema.json`, the
    tags in the order of the head's rows; `data.json`, the fingerprint of the labelled files; `teachers.json` and
    `soft_targets.safetensors`, the versions and probabilities of the teachers, if there are any; `wide.safetensors`,
    the wide part, if there is one. `outcome.json` is written after the bundle: its folder, version and bytes, the
    training time in seconds, device, number of parameters, and the evaluation on the validation files.
    """

    path: Path

    @property
    def best(self) -> Path:
        """The file of the kept weights."""
        return self.path / "best.safetensors"

    @property
    def resume(self) -> Path:
        """The checkpoint that training resumes from; removed when training is finished."""
        return self.path / "resume.pt"

    @property
    def is_trained(self) -> bool:
        """Whether training is finished; the bundle may still have to be made."""
        return self.best.is_file() and self._history.is_file() and not self.resume.is_file()

    @property
    def _has_started(self) -> bool:
        return any(file.is_file() for file in (self.resume, self.best, self._history))

    @property
    def steps(self) -> Path:
        """The figures of every tenth step, one JSON object per line."""
        return self.path / "steps.jsonl"

    def claim(self, recipe: Recipe, data_fingerprint: str, schema: TagSchema) -> None:
        """Reserve the folder for a run of this recipe on these files. Settings that do not affect training may change.

        A run that has not trained anything yet is replaced.

        Raises:
            RecipeError: the folder holds a run with other training settings, files or teachers.
        """
        # Soft targets are needed only for training; pseudo-labels also when the bundle is made.
        teachers = versions_of(recipe.pseudo_labels, None if self.is_trained else recipe.distillation)
        kept: dict[str, str] = {}
        self.path.mkdir(parents=True, exist_ok=True)
        if self._recipe.is_file() and self._has_started:
            if self.recipe().training() != recipe.training():
                self._refuse(f"with another recipe (see {self._recipe})")
            if self._data.is_file() and json.loads(self._data.read_text(encoding="utf-8")) != data_fingerprint:
                self._refuse("on other files: the recipe's files have changed since")
            # Runs of older versions do not have this file.
            if self._teachers.is_file():
                kept = json.loads(self._teachers.read_text(encoding="utf-8"))
            for folder, version in teachers.items():
                before = kept.get(folder, version)
                if before != version:
                    was, now = before[:_SHOWN], version[:_SHOWN]
                    self._refuse(f"with another teacher: the bundle in {folder} was version {was} and is now {now}")
        else:
            write_text(self._schema, schema.model_dump_json() + "\n")
            write_text(self._data, json.dumps(data_fingerprint) + "\n")
        if teachers:
            write_text(self._teachers, json.dumps(teachers | kept, indent=1) + "\n")
        write_text(self._recipe, recipe.model_dump_json(indent=1) + "\n")

    def _refuse(self, difference: str) -> NoReturn:
        msg = f"{self.path} holds a run {difference}: choose another --run, or remove the folder"
        raise RecipeError(msg)

    def recipe(self) -> Recipe:
        """The run's recipe.

        Raises:
            RecipeError: the folder holds no run.
        """
        try:
            return Recipe.model_validate_json(self._recipe.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{self.path} holds no run ({self._recipe.name}: {error.strerror})"
            raise RecipeError(msg) from error
        except ValidationError as error:
            msg = (
                f"{self._recipe} does not fit this version of Hangtag: {reasons_of(error)}; correct the file, or train "
                "with another --run"
            )
            raise RecipeError(msg) from error
        except UnicodeDecodeError as error:
            msg = f"{self._recipe} cannot be read: {error}"
            raise RecipeError(msg) from error

    def history(self) -> list[Epoch]:
        """The finished epochs, in order."""
        if not self._history.is_file():
            return []
        return [Epoch(**json.loads(line)) for line in self._history.read_text(encoding="utf-8").splitlines()]

    def write_history(self, history: Sequence[Epoch]) -> None:
        """Write the finished epochs, atomically."""
        write_text(self._history, "".join(json.dumps(asdict(epoch)) + "\n" for epoch in history))

    def outcome(self) -> dict[str, Any]:
        """The content of `outcome.json`.

        Raises:
            RecipeError: the run is not finished.
        """
        try:
            outcome: dict[str, Any] = json.loads(self._outcome.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{self.path} holds no finished run: finish it with `hangtag train`"
            if self.is_trained:
                advice = "run `hangtag train` again without --no-bundle; the weights are kept"
                if not self.recipe().method.merges:
                    advice = f"no engine could run a bundle of its method; its scores are in {self._history}"
                msg = f"{self.path} holds a run without a bundle: {advice}"
            raise RecipeError(msg) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            msg = f"{self._outcome} cannot be read ({error}): make the bundle again with `hangtag train`"
            raise RecipeError(msg) from error
        return outcome

    def write_outcome(self, outcome: dict[str, Any]) -> None:
        """Write `outcome.json`."""
        write_text(self._outcome, json.dumps(outcome, indent=1) + "\n")

    def wide(self, settings: WideSettings) -> Wide | None:
        """The wide part fitted with these settings; None if there is none."""
        if not self._wide.is_file():
            return None
        with safe_open(self._wide, "numpy") as file:
            if file.metadata() != {"settings": settings.model_dump_json()}:
                return None
            return Wide(**{field.name: file.get_tensor(field.name) for field in fields(Wide)})

    def write_wide(self, settings: WideSettings, wide: Wide) -> None:
        """Write the wide part, atomically."""
        arrays = {field.name: getattr(wide, field.name) for field in fields(Wide)}
        write_atomically(self._wide, lambda part: save_file(arrays, part, {"settings": settings.model_dump_json()}))

    def schema(self) -> TagSchema | None:
        """The tag schema, whose tags are in the order of the head's rows; None if the run has not written it."""
        if not self._schema.is_file():
            return None
        return TagSchema.model_validate_json(self._schema.read_text(encoding="utf-8"))

    def soft_targets(self, key: str) -> NDArray[np.float16] | None:
        """The teachers' probabilities for the training products; None unless they were written under this key."""
        if not self._soft_targets.is_file():
            return None
        with safe_open(self._soft_targets, "numpy") as file:
            if file.metadata() != {"key": key}:
                return None
            kept: NDArray[np.float16] = file.get_tensor("soft")
            return kept

    def write_soft_targets(self, key: str, soft: NDArray[np.float16]) -> None:
        """Write the teachers' probabilities, atomically."""
        write_atomically(self._soft_targets, lambda part: save_file({"soft": soft}, part, {"key": key}))

    @property
    def _schema(self) -> Path:
        return self.path / "schema.json"

    @property
    def _data(self) -> Path:
        return self.path / "data.json"

    @property
    def _teachers(self) -> Path:
        return self.path / "teachers.json"

    @property
    def _soft_targets(self) -> Path:
        return self.path / "soft_targets.safetensors"

    @property
    def _wide(self) -> Path:
        return self.path / "wide.safetensors"

    @property
    def _recipe(self) -> Path:
        return self.path / "recipe.json"

    @property
    def _history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def _outcome(self) -> Path:
        return self.path / "outcome.json"
