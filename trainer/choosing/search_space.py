"""The search space: the values that a search draws settings from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import optuna
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from hangtag.settings.toml import TomlError, parse_toml
from hangtag.trainer.recipe.recipe import Recipe, RecipeError, reasons_of


class Range(BaseModel):
    """The values of a setting: from `low` to `high` (on a logarithmic scale if `log`), or one of `choices`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    log: bool = False
    choices: tuple[str | int | float, ...] = ()

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            msg = "set either low and high, or choices"
            raise ValueError(msg)
        if self.low is not None and self.high is not None and self.low > self.high:
            msg = f"low {self.low:g} is above high {self.high:g}"
            raise ValueError(msg)
        if self.log and self.low is not None and self.low <= 0:
            msg = f"log needs low above 0, not {self.low:g}"
            raise ValueError(msg)
        return self

    @property
    def ends(self) -> tuple[str | int | float, ...]:
        """The values to validate: all choices, or both ends of the range."""
        if self.low is None or self.high is None:
            return self.choices
        return self.low, self.high

    def draw(self, trial: optuna.Trial, name: str, *, is_integer: bool) -> Any:
        """Draw this trial's value of the setting `name`."""
        if self.low is None or self.high is None:
            return trial.suggest_categorical(name, self.choices)
        if is_integer:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
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
        RecipeError: the file cannot be read, or a range is not valid.
    """
    try:
        space = TypeAdapter(dict[str, Range]).validate_python(parse_toml(path.read_bytes()))
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise RecipeError(msg) from error
    except ValidationError as error:
        msg = f'{path}: {reasons_of(error)}; each setting needs a table, dotted names in quotes: ["method.rank"]'
        raise RecipeError(msg) from error
    except TomlError as error:
        msg = f"{path}: not valid TOML: {error}"
        raise RecipeError(msg) from error
    if not space:
        msg = f"{path} has no settings: add a table with low and high, or choices, for each"
        raise RecipeError(msg)
    return space


def check_space(recipe: Recipe, space: Space) -> None:
    """Check that all values that can be drawn are valid in the recipe.

    Raises:
        RecipeError: a name is not a setting of the recipe, or a value is not valid.
    """
    for at in range(max(len(each.ends) for each in space.values())):
        with_settings(recipe, {name: each.ends[min(at, len(each.ends) - 1)] for name, each in space.items()})


def draw_recipe(recipe: Recipe, space: Space, trial: optuna.Trial) -> Recipe:
    """The recipe with this trial's settings."""
    settings = recipe.model_dump()
    integers = {name for name in space if isinstance(_table(settings, name).get(_last(name)), int)}
    changes = {name: each.draw(trial, name, is_integer=name in integers) for name, each in space.items()}
    return with_settings(recipe, changes)


def with_settings(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with changed settings, given by dotted names.

    Raises:
        RecipeError: a name is not a setting, or a value is not valid.
    """
    settings = recipe.model_dump()
    for name, value in changes.items():
        place = _table(settings, name)
        if _last(name) not in place:
            msg = f"search space: {name!r} is not a setting of this recipe"
            raise RecipeError(msg)
        place[_last(name)] = value
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        msg = f"search space: {reasons_of(error)}"
        raise RecipeError(msg) from error


def _table(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """The table that has the last part of a dotted name; empty if there is none."""
    place: Any = settings
    for part in name.split(".")[:-1]:
        place = place.get(part) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else {}


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]
