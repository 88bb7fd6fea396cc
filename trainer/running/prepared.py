"""Preparing a run: reading its files, deriving the schema, loading the base model, tokenising."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.data.examples import Example, tokenised_examples
from hangtag.trainer.data.kept_products import file_hash, kept_products
from hangtag.trainer.data.labelled import LabelledProduct, check_files, refuse
from hangtag.trainer.data.query_words_file import query_maker_of, words_file
from hangtag.trainer.data.row import BadRow
from hangtag.trainer.data.schema_of import schema_of
from hangtag.trainer.data.shops import read_shops, with_shops
from hangtag.trainer.data.tag_words import TagWords
from hangtag.trainer.data.token_table import tokens_of
from hangtag.trainer.data.training_set import TrainingSet
from hangtag.trainer.data.weak_labels import weakly_labelled
from hangtag.trainer.exporting.export import ExportError, encoder_config_of
from hangtag.trainer.files.cache import Cache
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.base_model import resolve_base_model
from hangtag.trainer.fitting.model import TagModel, keep_layers, load_encoder
from hangtag.trainer.fitting.named_head import start_from_names
from hangtag.trainer.judging.cautions import Caution, cautions_of
from hangtag.trainer.judging.known_labels import known_labels
from hangtag.trainer.recipe.by_size import by_size
from hangtag.trainer.recipe.recipe import Recipe, RecipeError, reasons_of
from hangtag.trainer.teaching.pseudo_labels import pseudo_labelled
from hangtag.trainer.teaching.soft_targets import soft_targets
from hangtag.trainer.teaching.teachers import opened_teachers

# Cross-fitting the thresholds needs two parts.
_MIN_LABELLED = 2
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that training and bundle making need.

    `calibration` are the examples that calibration and thresholds are set on: those of the calibration files, or of
    the validation files if there are none. `pseudo_labels` is the number of products with pseudo-labels, by facet.
    """

    schema: TagSchema
    tokenizer: ProductTokenizer
    encoder: nn.Module
    encoder_config: dict[str, Any]
    train: TrainingSet
    validation: list[Example]
    validation_products: list[LabelledProduct]
    calibration: list[Example]
    calibration_products: list[LabelledProduct]
    data_fingerprint: str
    pseudo_labels: dict[str, int]

    @property
    def unlabelled_facets(self) -> list[str]:
        """The facets that no calibration product is labelled for."""
        labelled = {facet for product in self.calibration_products for facet in product.facets}
        return [facet.name for facet in self.schema.facets if facet.name not in labelled]

    @property
    def contradictory(self) -> dict[str, int]:
        """The number of training products with several tags of a single facet, by facet; they do not count for it."""
        single = [facet.name for facet in self.schema.facets if facet.kind is FacetKind.SINGLE]
        counts = Counter(
            facet for product in self.train.products for facet in single if len(product.tags_of(facet)) > 1
        )
        return dict(counts)

    def model(self, recipe: Recipe, device: torch.device | None = None) -> TagModel:
        """A fresh model on `device` (default: a GPU if there is one), with a head drawn from the recipe's seed."""
        torch.manual_seed(recipe.seed)
        device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = TagModel(self.encoder, len(self.schema.tags), recipe.dropout, scope=recipe.queries is not None)
        model.to(device)
        if recipe.head_from_names:
            names = self.train.queries.asking.words if self.train.queries else TagWords.of(self.schema)
            start_from_names(model, names.nouns, self.schema, self.tokenizer, recipe.head_from_names)
        if recipe.start_from:
            _load_best(model, RunFolder(Path(recipe.start_from)), self.schema)
        return model

    def with_teachers(self, recipe: Recipe, run: RunFolder) -> Self:
        """Add the soft targets of the recipe's teachers, if it has any; they are cached in `run`.

        Raises:
            RecipeError: a teacher cannot be loaded.
        """
        if recipe.distillation is None:
            return self
        soft = soft_targets(self.train.products, self.schema, recipe.distillation, run)
        return replace(self, train=replace(self.train, soft=soft))


def prepare(
    recipe: Recipe,
    data: Path,
    on_cautions: Callable[[Sequence[Caution]], None] = lambda _: None,
    *,
    sized: bool = False,
    cache: Cache | None = None,
) -> Prepared:
    """Read the recipe's files below `data`, derive the tag schema, load the base model, tokenise.

    `on_cautions` is called before anything is loaded, and may raise an error to end it there. With `sized` the number
    of training products decides some settings; `Prepared.train.recipe` has them. What files hold and the tokens of
    their texts are kept in `cache`, and taken from it where nothing has changed.

    Raises:
        RecipeError: recipe and data do not fit, a teacher cannot be loaded, or there are no validation products.
        LabelledFileError: a file is missing, or files have bad rows, all of which are named.
        BaseModelError: the base model cannot be loaded.
    """
    # What is wrong with names and columns comes before anything is read or loaded, which may take minutes.
    base_model = resolve_base_model(recipe.base_model)
    for source in recipe.sources:
        check_files((data / name for name in source.files), source.columns)
    bad: list[BadRow] = []
    read = [
        kept_products([data / name for name in source.train], source.columns, bad, cache) for source in recipe.sources
    ]
    validation, calibration = (
        held_out_products(recipe, data, part, bad, cache) for part in ("validation", "calibration")
    )
    refuse(bad)
    _check_weak_labels(recipe, read)
    train = [weakly_labelled(products, source) for products, source in zip(read, recipe.sources, strict=True)]
    labelled = _labels(train)
    labelled_products = [product for source in train for product in source if product.facets]
    train = _with_pseudo_labels(train, recipe)
    for source, its_products in zip(recipe.sources, train, strict=True):
        if not its_products:
            msg = f"there are no training products in {', '.join(source.train)}"
            raise RecipeError(msg)
    if not validation:
        msg = "there are no validation products: name files with --validation, or in the recipe's sources"
        raise RecipeError(msg)
    products = [product for source in train for product in source]
    recipe = by_size(recipe, len(products)) if sized else recipe
    schema = schema_of(recipe, products)
    for part, part_products in (("validation", validation), ("calibration", calibration or validation)):
        _check_labelled(part, part_products, schema)
    on_cautions(cautions_of(labelled_products, validation, calibration or validation, schema, recipe))
    queries = query_maker_of(recipe, products, schema, data)
    encoder, raw_tokenizer, config = load_encoder(base_model)
    keep_layers(encoder, config, recipe.keep_layers)
    tokenizer = ProductTokenizer(raw_tokenizer, recipe.max_tokens, tail_tokens=recipe.tail_tokens)
    _check_exportable(config, tokenizer, recipe)
    validation_examples = tokenised_examples(validation, tokens_of(validation, tokenizer, cache), schema)
    tokens = tokens_of(products, tokenizer, cache) if cache else None
    return Prepared(
        schema,
        tokenizer,
        encoder,
        config,
        TrainingSet(train, recipe, schema, tokenizer, queries=queries, tokens=tokens),
        validation_examples,
        validation,
        tokenised_examples(calibration, tokens_of(calibration, tokenizer, cache), schema)
        if calibration
        else validation_examples,
        calibration or validation,
        fingerprint_of(recipe, data),
        dict(_labels(train) - labelled),
    )


def held_out_products(
    recipe: Recipe,
    data: Path,
    part: Literal["validation", "calibration"],
    bad: list[BadRow] | None = None,
    cache: Cache | None = None,
) -> list[LabelledProduct]:
    """The products of all sources' validation or calibration files below `data`, with their shops.

    Raises:
        LabelledFileError: a file is missing, or has a bad row and there is no list `bad` to add it to.
    """
    found = []
    for source in recipe.sources:
        products = kept_products([data / name for name in getattr(source, part)], source.columns, bad, cache)
        found += with_shops(products, read_shops(data / source.shops)) if source.shops else products
    return found


def _check_weak_labels(recipe: Recipe, sources: list[list[LabelledProduct]]) -> None:
    """A typo in `assume` or `named_by` must not become a new tag or facet."""
    known = {tag for products in sources for product in products for tag in product.tags}
    for source in recipe.sources:
        for tag in (*source.assume, *(tag for group in source.named_by for tag in group.tags)):
            if tag not in known and facet_of(tag) not in recipe.facets:
                msg = f"assume or named_by has {tag!r}, but no product has that tag and [facets] lacks its facet"
                raise RecipeError(msg)


def _check_labelled(part: str, products: list[LabelledProduct], schema: TagSchema) -> None:
    known = known_labels(products, schema)
    labelled = sum(bool(product.facets) for product in known.products)
    if labelled < _MIN_LABELLED:
        facets = sorted({facet for product in products for facet in product.facets})
        missing = f"; no training product has {', '.join(list(known.tags)[:_MOST_NAMED])}" if known.tags else ""
        msg = (
            f"{labelled} {part} products are labelled for a facet of the training products "
            f"({', '.join(schema.slices)}), but at least {_MIN_LABELLED} are needed; the {part} products' facets are "
            f"{facets}{missing}"
        )
        raise RecipeError(msg)


def _check_exportable(config: dict[str, Any], tokenizer: ProductTokenizer, recipe: Recipe) -> None:
    """Check before training, which may take hours, that the encoder can be exported afterwards."""
    try:
        encoder_config_of(config, tokenizer)
    except ExportError as error:
        raise RecipeError(str(error)) from error
    except ValidationError as error:
        msg = f"base model {recipe.base_model}: {reasons_of(error)}"
        raise RecipeError(msg) from error


def _labels(sources: list[list[LabelledProduct]]) -> Counter[str]:
    """The number of products with a tag, by facet."""
    return Counter(
        facet for products in sources for product in products for facet in {facet_of(tag) for tag in product.tags}
    )


def _with_pseudo_labels(sources: list[list[LabelledProduct]], recipe: Recipe) -> list[list[LabelledProduct]]:
    settings = recipe.pseudo_labels
    if settings is None:
        return sources
    labelled = Counter(tag for products in sources for product in products for tag in product.tags)
    with opened_teachers(settings.teachers) as teachers:
        return [
            pseudo_labelled(products, teachers, settings, labelled, recipe.seed) if source.pseudo_labels else products
            for products, source in zip(sources, recipe.sources, strict=True)
        ]


def _load_best(model: TagModel, run: RunFolder, schema: TagSchema) -> None:
    """Load a run's best weights. Head rows are matched by tag name; rows of new tags keep their initial values."""
    try:
        weights = load_file(run.best)
        before = run.schema()
        has_other_rows = len(weights["head.bias"]) != len(model.head.bias)
        if before is not None and (before.tags != schema.tags or has_other_rows):
            shared = [tag for tag in schema.tags if tag in before.index]
            if not shared:
                msg = f"start_from {run.path}: the run has no tag in common with this recipe's data"
                raise RecipeError(msg)
            new_rows, old_rows = ([each.index[tag] for tag in shared] for each in (schema, before))
            if all(
                len(rows) > len(each.tags) for rows, each in ((model.head.bias, schema), (weights["head.bias"], before))
            ):
                # The last row of both is the one for the scope.
                new_rows, old_rows = [*new_rows, -1], [*old_rows, -1]
            for name, fresh in model.head.named_parameters(prefix="head"):
                rows = fresh.detach().cpu().clone()
                rows[new_rows] = weights[name][old_rows]
                weights[name] = rows
        model.load_state_dict(weights)
    except (OSError, RuntimeError) as error:
        msg = f"start_from {run.path}: there are no weights for the same base model ({error}); train that run first"
        raise RecipeError(msg) from error


def fingerprint_of(recipe: Recipe, data: Path) -> str:
    """The SHA-256 (hex) over the SHA-256 digests of the recipe's files below `data`.

    Raises:
        LabelledFileError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for source in recipe.sources:
        for name in source.files:
            digest.update(bytes.fromhex(file_hash(data / name)))
    if recipe.queries and (words := words_file(recipe.queries, data)):
        digest.update(hashlib.sha256(words.read_bytes()).digest())
    return digest.hexdigest()
