"""Training settings: data that is saved with every run and with the bundle it makes."""

import tomllib
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from hangtag.tags.schema import FacetKind, Rule
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.recipe.columns import Columns
from hangtag.trainer.recipe.fitting import Method, Objective
from hangtag.trainer.recipe.teaching import Distillation, PseudoLabels
from hangtag.trainer.recipe.wide import WideSettings

_GROUP = 2
_NOT_OF_TRAINING = {
    "name",
    "rules",
    "blocked",
    "wide",
    "auto_precision",
    "auto_confidence",
    "review_precision",
    "max_int8_loss",
    "checkpoint_minutes",
}


class RecipeError(TrainerError):
    """A recipe, or a run or study of one, cannot be used; the message says what is wrong and what is expected."""


def reasons_of(error: ValidationError) -> str:
    """What pydantic found wrong, in one line: where, what; a setting that is unknown with the one it may be."""
    return "; ".join(map(_reason, error.errors(include_url=False, include_input=False)))


def _reason(found: ErrorDetails) -> str:
    place = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        known = [*Recipe.model_fields, *Source.model_fields, *Augmentation.model_fields, *FacetSettings.model_fields]
        close = get_close_matches(str(found["loc"][-1]), known, n=1)
        return f"there is no setting {place!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    told = found["msg"].removeprefix("Value error, ")
    return f"{place}: {told}" if place else told


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedBy(_Settings):
    """Tags of the products whose title names them: the last of all groups' words that a title holds decides."""

    tags: tuple[str, ...] = Field(min_length=1)
    words: tuple[str, ...] = Field(
        min_length=1, description="lower case; whole words, or parts of a text in scripts without spaces"
    )


class Source(_Settings):
    """Labelled files that belong together."""

    train: tuple[str, ...] = Field(min_length=1, description="JSONL, CSV or Parquet files, relative to --data")
    validation: tuple[str, ...] = Field(
        default=(), description="likewise: files that choose the epoch and say how good the bundle is"
    )
    calibration: tuple[str, ...] = Field(
        default=(), description="likewise: files that calibration and thresholds are set on; none at all: validation"
    )
    fraction: float = Field(default=1.0, gt=0, le=1, description="part of the products drawn anew for each epoch")
    rare_up_to: int = Field(
        default=0,
        ge=0,
        description="products of tags that so many or fewer carry are in every epoch, beside `fraction`",
    )
    assume: tuple[str, ...] = Field(default=(), description="tags that hold for every product of these training files")
    named_by: tuple[NamedBy, ...] = Field(default=(), description="tags that a product's title tells, likewise")
    columns: Columns = Field(default=Columns(), description="where these files keep texts and labels")
    pseudo_labels: bool = Field(
        default=False, description="whether the teachers of `pseudo_labels` tell what these files do not"
    )

    @property
    def files(self) -> tuple[str, ...]:
        """All of its files."""
        return (*self.train, *self.validation, *self.calibration)


class Augmentation(_Settings):
    """How training products are changed, anew in each epoch. All numbers are parts between 0 (never) and 1 (always)."""

    drop_category: float = Field(default=0.0, ge=0, le=1, description="products that lose their merchant category")
    drop_description: float = Field(default=0.0, ge=0, le=1, description="products with a title that lose the rest")
    drop_words_in: float = Field(default=0.0, ge=0, le=1, description="products that lose words")
    mistype_in: float = Field(default=0.0, ge=0, le=1, description="products that get typing errors")
    word_rate: float = Field(default=0.08, ge=0, le=1, description="words of such a product that change")
    swap_synonyms_in: float = Field(default=0.0, ge=0, le=1, description="products whose listed words change places")
    synonyms: tuple[tuple[str, ...], ...] = Field(
        default=(), description="groups of words or phrases of which one may stand for another"
    )
    swap_values_in: float = Field(
        default=0.0, ge=0, le=1, description="products that become another value's, in title, description and label"
    )
    values_of: tuple[str, ...] = Field(
        default=(), description="single facets, in no chain of parents, whose value a title may name"
    )
    add_boilerplate_in: float = Field(default=0.0, ge=0, le=1, description="products that get a sentence")
    boilerplate: tuple[str, ...] = Field(default=(), description="sentences that say nothing of a product")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        pairs = (
            ("swap_synonyms_in", "synonyms"),
            ("swap_values_in", "values_of"),
            ("add_boilerplate_in", "boilerplate"),
        )
        for part, needed in pairs:
            if getattr(self, part) and not getattr(self, needed):
                msg = f"{part} needs {needed}"
                raise ValueError(msg)
        words = [word.casefold() for group in self.synonyms for word in group]
        if len(set(words)) < len(words) or any(len(group) < _GROUP for group in self.synonyms) or "" in words:
            msg = "synonyms: each group has two words or more, and no word stands twice"
            raise ValueError(msg)
        return self


class FacetSettings(_Settings):
    """How a facet of the data enters the tag schema."""

    kind: FacetKind
    parent: str | None = Field(
        default=None, description="the single facet above; the data says which tag is under which"
    )
    applies_when: tuple[str, ...] = Field(default=(), description="tags of facets listed before; empty: always")


class Recipe(_Settings):
    """Everything that decides what a run trains."""

    name: str = Field(default="tagger", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    base_model: str = Field(default="starter", description="`starter`, a checkpoint's folder or a hub name")
    keep_layers: tuple[int, ...] = Field(
        default=(), description="layers of the base model's encoder that are kept, from 0, rising; empty: all"
    )
    start_from: str = Field(
        default="",
        description="run whose best weights training starts from, its head by tag names; empty: the base model",
    )
    sources: tuple[Source, ...] = Field(min_length=1)
    facets: dict[str, FacetSettings] = Field(
        default_factory=dict, description="in score order; empty: told from the data"
    )
    augmentation: Augmentation = Augmentation()
    no_products: int = Field(
        default=0, ge=0, description="made-up texts per epoch (chat, random letters) of which no tag is true"
    )
    distillation: Distillation | None = Field(default=None, description="learn from bundles, too; absent: labels alone")
    pseudo_labels: PseudoLabels | None = Field(default=None, description="labels from bundles, for sources that say so")
    rules: tuple[Rule, ...] = ()
    blocked: tuple[str, ...] = ()
    max_tokens: int = Field(default=128, ge=8, le=512)
    tail_tokens: int = Field(
        default=0, ge=0, description="of max_tokens: taken from the end of texts that are longer; below half of it"
    )
    method: Method = Method()
    objective: Objective = Objective()
    epochs: int = Field(default=6, ge=1)
    batch_size: int = Field(default=32, ge=1, description="products that decide a step, over all processes")
    forward_size: int = Field(
        default=0, ge=0, description="products that run through the model at a time; gradients add up. 0: the batch"
    )
    learning_rate: float = Field(default=1.5e-4, gt=0)
    head_learning_rate: float = Field(default=1.5e-3, gt=0)
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="factor on the learning rate from each encoder layer to the one below"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="not on biases and norms")
    warmup: float = Field(default=0.06, ge=0, lt=1, description="part of all steps; then linear decay to zero")
    clip_norm: float = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1, description="single facets only")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="on the pooled vector")
    ema_decay: float = Field(
        default=0.0, ge=0, lt=1, description="exponential moving average of the weights, per step; 0: off"
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="the epoch whose weights are kept: the best on validation, or the last"
    )
    patience: int = Field(default=2, ge=1, description="epochs without a better validation score before training stops")
    precision: str = Field(default="bf16", pattern=r"^(fp32|bf16)$", description="of the encoder's matrix products")
    wide: WideSettings | None = Field(default=None, description="the linear part beside the encoder; absent: none")
    auto_precision: float = Field(default=0.95, gt=0, lt=1, description="that AUTO tags are promised to have")
    auto_confidence: float = Field(default=0.95, gt=0, lt=1, description="with which the promise is kept")
    max_int8_loss: float = Field(
        default=1.0, gt=0, description="points of mean F1 that int8 may cost; beyond it there is no bundle"
    )
    review_precision: float = Field(
        default=0.5, gt=0, lt=1, description="of a single facet's tags in REVIEW or above, on validation data"
    )
    seed: int = Field(default=7, ge=0, lt=2**32)
    checkpoint_minutes: float = Field(
        default=5.0, ge=0, description="that a kill in the middle of an epoch may cost; 0: the fewest steps"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(one >= next_one for one, next_one in pairwise((-1, *self.keep_layers))):
            msg = f"keep_layers {list(self.keep_layers)} are not rising numbers from 0 on"
            raise ValueError(msg)
        if any(source.pseudo_labels for source in self.sources) != (self.pseudo_labels is not None):
            msg = "a source with pseudo_labels = true and a table [pseudo_labels] that names teachers need each other"
            raise ValueError(msg)
        if self.tail_tokens * 2 > self.max_tokens:
            msg = f"tail_tokens {self.tail_tokens} is more than half of max_tokens {self.max_tokens}"
            raise ValueError(msg)
        return self

    def training(self) -> dict[str, Any]:
        """The settings that decide how the network is trained; the others only decide what is made of it."""
        # Words are not swapped for values that are blocked.
        needed = {"blocked"} if self.augmentation.values_of else set()
        return self.model_dump(exclude=_NOT_OF_TRAINING - needed)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a recipe: TOML, or JSON (`.json`) as a run's folder and a study have it.

        Raises:
            RecipeError: the file is missing, is neither, or a setting is unknown or wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
            return cls.model_validate_json(text) if path.suffix == ".json" else cls.model_validate(tomllib.loads(text))
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise RecipeError(msg) from error
        except ValidationError as error:
            msg = f"{path}: {reasons_of(error)}"
            raise RecipeError(msg) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{path}: not valid TOML: {error}"
            raise RecipeError(msg) from error
