"""A run's folder: what training leaves there and how it is read back."""

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
from hangtag.trainer.files.versions import versions_of
from hangtag.trainer.files.whole_file import write_text, write_whole
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.recipe.wide import WideSettings

# Of a version a message shows no more.
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
    """`recipe.json`, `history.jsonl`, the weights that are kept, `resume.pt` while training goes on, and the outcome.

    `steps.jsonl` has figures of every tenth step, `schema.json` the tags in the order of the head's rows, `data.json`
    the fingerprint of the files. If the recipe has teachers, `teachers.json` names the versions of their bundles and
    `soft_targets.safetensors` holds what they said of the training products; `wide.safetensors` is the wide part, if it
    has one. `outcome.json` stands there once the bundle is made: where
    it is, its version and bytes, training time in seconds, device, number of parameters, and the evaluation on the
    validation files.
    """

    path: Path

    @property
    def best(self) -> Path:
        """The weights that are kept."""
        return self.path / "best.safetensors"

    @property
    def resume(self) -> Path:
        """What training goes on from; gone when it is finished."""
        return self.path / "resume.pt"

    @property
    def is_trained(self) -> bool:
        """Whether training is finished and only what comes after it may be left."""
        return self.best.is_file() and self._history.is_file() and not self.resume.is_file()

    @property
    def _has_begun(self) -> bool:
        return any(file.is_file() for file in (self.resume, self.best, self._history))

    @property
    def steps(self) -> Path:
        """Every tenth step's figures, a JSON line each."""
        return self.path / "steps.jsonl"

    def claim(self, recipe: Recipe, data_fingerprint: str, schema: TagSchema) -> None:
        """Make the folder that of a recipe on these files. Settings of what comes after training may change.

        A run of which nothing was trained yet gives way.

        Raises:
            RecipeError: it belongs to a recipe that trains otherwise, to other files or to other bundles that teach.
        """
        # Soft targets are for training alone; pseudo-labels are products that a bundle is made with, too.
        teachers = versions_of(recipe.pseudo_labels, None if self.is_trained else recipe.distillation)
        kept: dict[str, str] = {}
        self.path.mkdir(parents=True, exist_ok=True)
        if self._recipe.is_file() and self._has_begun:
            if self.recipe().training() != recipe.training():
                self._refuse(f"another recipe (see {self._recipe})")
            if self._data.is_file() and json.loads(self._data.read_text(encoding="utf-8")) != data_fingerprint:
                self._refuse("other files: those of the recipe have changed since")
            # Older runs have none.
            if self._teachers.is_file():
                kept = json.loads(self._teachers.read_text(encoding="utf-8"))
            for folder, version in teachers.items():
                before = kept.get(folder, version)
                if before != version:
                    was, now = before[:_SHOWN], version[:_SHOWN]
                    self._refuse(f"another teacher: the bundle in {folder} was version {was} then, now it is {now}")
        else:
            write_text(self._schema, schema.model_dump_json() + "\n")
            write_text(self._data, json.dumps(data_fingerprint) + "\n")
        if teachers:
            write_text(self._teachers, json.dumps(teachers | kept, indent=1) + "\n")
        write_text(self._recipe, recipe.model_dump_json(indent=1) + "\n")

    def _refuse(self, what: str) -> NoReturn:
        msg = f"{self.path} holds a run of {what}: name another --run, or remove the folder"
        raise RecipeError(msg)

    def recipe(self) -> Recipe:
        """The recipe the run was started with.

        Raises:
            RecipeError: the folder holds no run.
        """
        try:
            return Recipe.model_validate_json(self._recipe.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{self.path} holds no run ({self._recipe.name}: {error.strerror})"
            raise RecipeError(msg) from error
        except (ValidationError, UnicodeDecodeError) as error:
            msg = f"{self._recipe} cannot be read: {error}"
            raise RecipeError(msg) from error

    def history(self) -> list[Epoch]:
        """The finished epochs."""
        if not self._history.is_file():
            return []
        return [Epoch(**json.loads(line)) for line in self._history.read_text(encoding="utf-8").splitlines()]

    def write_history(self, history: Sequence[Epoch]) -> None:
        """Write the finished epochs, whole or not at all."""
        write_text(self._history, "".join(json.dumps(asdict(epoch)) + "\n" for epoch in history))

    def outcome(self) -> dict[str, Any]:
        """The outcome.

        Raises:
            RecipeError: the run is not finished.
        """
        try:
            outcome: dict[str, Any] = json.loads(self._outcome.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{self.path} holds no finished run: let `hangtag train` finish it"
            if self.is_trained:
                way_out = "train it without --no-bundle, the weights are kept"
                if not self.recipe().method.merges:
                    way_out = f"with its method no engine could run one; {self._history} has its scores"
                msg = f"{self.path} holds a run without a bundle: {way_out}"
            raise RecipeError(msg) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            msg = f"{self._outcome} cannot be read ({error}): let `hangtag train` make the bundle again"
            raise RecipeError(msg) from error
        return outcome

    def write_outcome(self, outcome: dict[str, Any]) -> None:
        """Write the outcome."""
        write_text(self._outcome, json.dumps(outcome, indent=1) + "\n")

    def wide(self, settings: WideSettings) -> Wide | None:
        """The wide part that was fitted with these settings, if one was."""
        if not self._wide.is_file():
            return None
        with safe_open(self._wide, "numpy") as file:
            if file.metadata() != {"settings": settings.model_dump_json()}:
                return None
            return Wide(**{field.name: file.get_tensor(field.name) for field in fields(Wide)})

    def write_wide(self, settings: WideSettings, wide: Wide) -> None:
        """Keep the wide part, whole or not at all."""
        arrays = {field.name: getattr(wide, field.name) for field in fields(Wide)}
        write_whole(self._wide, lambda part: save_file(arrays, part, {"settings": settings.model_dump_json()}))

    def schema(self) -> TagSchema | None:
        """The tag schema whose tags the head's rows score; None if the run has not written one."""
        if not self._schema.is_file():
            return None
        return TagSchema.model_validate_json(self._schema.read_text(encoding="utf-8"))

    def soft_targets(self, key: str) -> NDArray[np.float16] | None:
        """What teachers said of the training products, if it was written under this key."""
        if not self._soft_targets.is_file():
            return None
        with safe_open(self._soft_targets, "numpy") as file:
            if file.metadata() != {"key": key}:
                return None
            kept: NDArray[np.float16] = file.get_tensor("soft")
            return kept

    def write_soft_targets(self, key: str, soft: NDArray[np.float16]) -> None:
        """Keep what teachers said, whole or not at all."""
        write_whole(self._soft_targets, lambda part: save_file({"soft": soft}, part, {"key": key}))

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
