"""The recipe: all settings of a training run, saved with the run and in its bundle."""

from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from hangtag.settings.toml import TomlError, parse_toml
from hangtag.tags.about import About
from hangtag.tags.schema import FacetKind, Rule
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.recipe.columns import Columns
from hangtag.trainer.recipe.fitting import Method, Objective
from hangtag.trainer.recipe.queries import AFTER_TRAINING, STARTER_WORDS, Queries
from hangtag.trainer.recipe.teaching import Distillation, PseudoLabels
from hangtag.trainer.recipe.wide import WideSettings

_MIN_SYNONYMS = 2
# Settings that only affect what is made from the trained network.
_AFTER_TRAINING = {
    "name",
    "rules",
    "blocked",
    "wide",
    "auto_precision",
    "auto_confidence",
    "attributes",
    "words",
    "about",
    "sensitive",
    "review_precision",
    "max_int8_loss",
    "checkpoint_minutes",
}


class RecipeError(TrainerError):
    """A recipe, or a run or study of one, cannot be used; the message says what is wrong and what is expected."""


def reasons_of(error: ValidationError) -> str:
    """Pydantic's findings in one line; an unknown setting comes with the most similar known one."""
    return "; ".join(map(_reason, error.errors(include_url=False, include_input=False)))


def _reason(found: ErrorDetails) -> str:
    place = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        known = [*Recipe.model_fields, *Source.model_fields, *Augmentation.model_fields, *FacetSettings.model_fields]
        close = get_close_matches(str(found["loc"][-1]), known, n=1)
        return f"there is no setting {place!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    if found["type"] == "string_pattern_mismatch":
        reason = "is not a name that can be used: take small letters a to z, digits and _, with a letter first"
        return f"{place.removesuffix('.[key]')} {reason}"
    reason = found["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedBy(_Settings):
    """Tags added to products whose title contains one of `words`.

    If a title contains words of several groups, the last word in the title decides.
    """

    tags: tuple[str, ...] = Field(min_length=1)
    words: tuple[str, ...] = Field(
        min_length=1, description="lower case; complete words, or any substring in scripts without spaces"
    )


class Source(_Settings):
    """Labelled files that are handled alike."""

    train: tuple[str, ...] = Field(min_length=1, description="labelled files, relative to --data")
    validation: tuple[str, ...] = Field(
        default=(), description="files for choosing the epoch and evaluating the bundle, relative to --data"
    )
    calibration: tuple[str, ...] = Field(
        default=(),
        description="files for calibration and thresholds, relative to --data; if no source has any: the validation "
        "files",
    )
    shops: str = Field(
        default="",
        description="a CSV file with the columns product_id and shop, relative to --data; empty: the files' own column",
    )
    fraction: float = Field(default=1.0, gt=0, le=1, description="share of the products drawn at random for each epoch")
    rare_up_to: int = Field(
        default=0,
        ge=0,
        description="products with a tag that at most this number of products carry are in every epoch, in addition "
        "to `fraction`",
    )
    assume: tuple[str, ...] = Field(default=(), description="tags that hold for every product in the training files")
    named_by: tuple[NamedBy, ...] = Field(
        default=(), description="tags inferred from words in a training product's title"
    )
    columns: Columns = Field(default=Columns(), description="the columns of these files")
    pseudo_labels: bool = Field(
        default=False, description="whether products get labels from the teachers in [pseudo_labels]"
    )

    @property
    def files(self) -> tuple[str, ...]:
        """All files: training, validation and calibration."""
        return (*self.train, *self.validation, *self.calibration)


class Augmentation(_Settings):
    """Random changes to training products, drawn again in each epoch. All numbers are probabilities from 0 to 1."""

    drop_category: float = Field(default=0.0, ge=0, le=1, description="a product loses its merchant category")
    drop_description: float = Field(default=0.0, ge=0, le=1, description="a product with a title loses its description")
    drop_words_in: float = Field(default=0.0, ge=0, le=1, description="a product loses words")
    mistype_in: float = Field(default=0.0, ge=0, le=1, description="a product gets typing errors")
    word_rate: float = Field(default=0.08, ge=0, le=1, description="a word changes, in a product chosen for that")
    swap_synonyms_in: float = Field(default=0.0, ge=0, le=1, description="a product's words are replaced by synonyms")
    synonyms: tuple[tuple[str, ...], ...] = Field(default=(), description="groups of interchangeable words or phrases")
    swap_values_in: float = Field(
        default=0.0, ge=0, le=1, description="a product gets another value of a facet, in title, description and label"
    )
    values_of: tuple[str, ...] = Field(
        default=(), description="facets whose values are swapped: single, without parent or children"
    )
    add_boilerplate_in: float = Field(default=0.0, ge=0, le=1, description="a product gets a boilerplate sentence")
    boilerplate: tuple[str, ...] = Field(default=(), description="sentences unrelated to any product")
    shop_noise_in: float = Field(
        default=0.0, ge=0, le=1, description="a product gets a habit of shops: capitals, codes, sizes, `refurbished`"
    )

    @model_validator(mode="after")
    def _check_needed_settings(self) -> Self:
        pairs = (
            ("swap_synonyms_in", "synonyms"),
            ("swap_values_in", "values_of"),
            ("add_boilerplate_in", "boilerplate"),
        )
        for probability, needed in pairs:
            if getattr(self, probability) and not getattr(self, needed):
                msg = f"{probability} needs {needed}"
                raise ValueError(msg)
        words = [word.casefold() for group in self.synonyms for word in group]
        too_small = any(len(group) < _MIN_SYNONYMS for group in self.synonyms)
        if len(set(words)) < len(words) or too_small or "" in words:
            msg = "synonyms: each group needs two words or more, and no word may occur twice"
            raise ValueError(msg)
        return self


class FacetSettings(_Settings):
    """A facet's settings in the tag schema."""

    kind: FacetKind
    parent: str | None = Field(
        default=None, description="the parent facet, a single one; each tag's parents come from the data"
    )
    applies_when: tuple[str, ...] = Field(
        default=(), description="tags of facets listed earlier, one of which must be served; empty: always applies"
    )


class Recipe(_Settings):
    """All settings of a training run."""

    name: str = Field(default="tagger", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    base_model: str = Field(default="starter", description="`starter`, a checkpoint folder or a hub name")
    keep_layers: tuple[int, ...] = Field(
        default=(), description="encoder layers of the base model to keep, counted from 0, ascending; empty: all"
    )
    start_from: str = Field(
        default="",
        description="run folder whose best weights are the starting point, head rows matched by tag name; empty: the "
        "base model",
    )
    sources: tuple[Source, ...] = Field(min_length=1)
    facets: dict[str, FacetSettings] = Field(
        default_factory=dict, description="in the order of the model's outputs; empty: derived from the data"
    )
    augmentation: Augmentation = Augmentation()
    no_products: int = Field(
        default=0, ge=0, description="made-up texts per epoch (chat, random letters) that no tag fits"
    )
    queries: Queries | None = Field(default=None, description="texts like those that people type; absent: none")
    distillation: Distillation | None = Field(
        default=None, description="soft targets from bundles; absent: labels only"
    )
    pseudo_labels: PseudoLabels | None = Field(
        default=None, description="labels from bundles, for sources with pseudo_labels = true"
    )
    rules: tuple[Rule, ...] = ()
    blocked: tuple[str, ...] = ()
    max_tokens: int = Field(default=128, ge=8, le=512)
    tail_tokens: int = Field(
        default=0, ge=0, description="part of max_tokens taken from the end of longer texts; at most half of it"
    )
    head_from_names: float = Field(
        default=0.0,
        ge=0,
        description="the head's rows start as the base model's vectors of the tags' names and words, with this length; "
        "0: at random",
    )
    method: Method = Method()
    objective: Objective = Objective()
    epochs: int = Field(default=6, ge=1)
    batch_size: int = Field(default=32, ge=1, description="products per optimizer step, over all processes")
    forward_size: int = Field(
        default=0, ge=0, description="products per forward pass; gradients are accumulated. 0: the complete batch"
    )
    learning_rate: float = Field(default=1.5e-4, gt=0)
    head_learning_rate: float = Field(default=1.5e-3, gt=0)
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="factor on the learning rate from each encoder layer to the next lower one"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="not applied to biases and norms")
    warmup: float = Field(default=0.06, ge=0, lt=1, description="share of all steps; linear decay to zero follows")
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
    precision: Literal["fp32", "bf16"] = Field(default="bf16", description="of the encoder's matrix products")
    wide: WideSettings | None = Field(default=None, description="the linear part beside the encoder; absent: none")
    auto_precision: float = Field(default=0.95, gt=0, lt=1, description="the precision promised for AUTO tags")
    auto_confidence: float = Field(default=0.95, gt=0, lt=1, description="the confidence level of that promise")
    attributes: tuple[str, ...] | None = Field(
        default=None,
        description="facets whose tags are AUTO only if the text has a word for them, without parent and children; "
        "absent: such facets with applies_when, and those of which texts name three quarters of the labelled values",
    )
    words: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="further words for tags of attribute facets, in addition to their values"
    )
    about: dict[str, About] = Field(
        default_factory=dict,
        description="labels, descriptions, synonyms, examples and codes, by facet or tag; they change no tags",
    )
    sensitive: tuple[str, ...] = Field(default=(), description="facets and tags that say something personal")
    max_int8_loss: float = Field(
        default=1.0, gt=0, description="points of mean F1 that int8 may lose; if it loses more, no bundle is made"
    )
    review_precision: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="precision of a single facet's tags in REVIEW or above, on the products that thresholds are set on",
    )
    seed: int = Field(default=7, ge=0, lt=2**32)
    checkpoint_minutes: float = Field(
        default=5.0,
        ge=0,
        description="the most work, in minutes, that a kill can lose; 0 = checkpoint as often as possible",
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if any(layer >= next_layer for layer, next_layer in pairwise((-1, *self.keep_layers))):
            msg = f"keep_layers {list(self.keep_layers)} must be ascending numbers from 0"
            raise ValueError(msg)
        if any(source.pseudo_labels for source in self.sources) != (self.pseudo_labels is not None):
            msg = "a source with pseudo_labels = true needs a table [pseudo_labels] that names teachers, and vice versa"
            raise ValueError(msg)
        if self.tail_tokens * 2 > self.max_tokens:
            msg = f"tail_tokens {self.tail_tokens} is more than half of max_tokens {self.max_tokens}"
            raise ValueError(msg)
        return self

    def training(self) -> dict[str, Any]:
        """The settings that affect the trained network; the others only affect what is made from it."""
        # Swapping values avoids blocked ones.
        needed = {"blocked"} if self.augmentation.values_of else set()
        after: dict[str, Any] = dict.fromkeys(_AFTER_TRAINING - needed, True)
        return self.model_dump(exclude={**after, "queries": AFTER_TRAINING})

    def check_files(self, data: Path) -> None:
        """Check that the recipe's files are there, below `data`, and that some are for validation.

        Raises:
            RecipeError: files are missing; the message names all of them.
        """
        names = [name for source in self.sources for name in (*source.files, *filter(None, [source.shops]))]
        if self.queries and self.queries.words not in {"", STARTER_WORDS}:
            names.append(self.queries.words)
        missing = [str(data / name) for name in dict.fromkeys(names) if not (data / name).is_file()]
        if missing:
            msg = f"no such file: {', '.join(missing)}"
            raise RecipeError(msg)
        if not any(source.validation for source in self.sources):
            msg = (
                "there are no validation products: name files with --validation, or in the recipe's sources; `hangtag "
                "data split` makes them"
            )
            raise RecipeError(msg)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a recipe: TOML, or JSON (`.json`) as written to run and study folders.

        Raises:
            RecipeError: the file is missing or not valid TOML or JSON, or a setting is unknown or wrong.
        """
        try:
            content = path.read_bytes()
            is_json = path.suffix == ".json"
            return cls.model_validate_json(content) if is_json else cls.model_validate(parse_toml(content))
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise RecipeError(msg) from error
        except ValidationError as error:
            msg = f"{path}: {reasons_of(error)}"
            raise RecipeError(msg) from error
        except TomlError as error:
            msg = f"{path}: not valid TOML: {error}"
            raise RecipeError(msg) from error
