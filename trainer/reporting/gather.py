"""The inputs of a report: the run, its files and its bundle's predictions for the validation products."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hangtag.bundle import Bundle
from hangtag.bundle.files import TOKENIZER
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.tagset import TagSet
from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.data.shops import with_shops
from hangtag.trainer.data.weak_labels import weakly_labelled
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.files.made_bundle import made_bundle
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.judging.cautions import copies_of
from hangtag.trainer.judging.evaluate import Evaluation, evaluate_logits, logits_of, served_tags
from hangtag.trainer.judging.known_labels import known_labels
from hangtag.trainer.recipe.recipe import Recipe, Source
from hangtag.trainer.running.prepared import fingerprint_of

# The number of products that are tagged before the time is measured.
_WARM_UP = 64


class ReportError(TrainerError):
    """The report cannot be made; the message says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class SourceProducts:
    """A source of the recipe with its products, and the number of training products that reach the token limit."""

    source: Source
    train: list[LabelledProduct]
    validation: list[LabelledProduct]
    truncated: int

    @property
    def name(self) -> str:
        """The names of its validation files."""
        return ", ".join(map(str, self.source.validation))


@dataclass(frozen=True, slots=True)
class Speed:
    """The time that the bundle took on this machine to tokenise, run and decode the number of `products`."""

    products: int
    seconds: float
    core_seconds: float

    @property
    def per_second(self) -> float:
        """Products per second, on all cores."""
        return self.products / self.seconds

    def cost_of_a_million(self, core_hour_price: float) -> float:
        """The cost of tagging a million products, from the price of one core for an hour."""
        return self.core_seconds / self.products * 1e6 / 3600 * core_hour_price


@dataclass(frozen=True, slots=True)
class Gathered:
    """The run and its bundle's predictions for the validation products.

    `logits` and `confidences` are float32 (products, tags); `chosen` has, for each single facet, the predicted tags'
    positions in the schema, (products,).
    """

    recipe: Recipe
    history: list[Epoch]
    outcome: dict[str, Any]
    bundle: Bundle
    sources: list[SourceProducts]
    logits: NDArray[np.float32]
    confidences: NDArray[np.float32]
    chosen: dict[str, NDArray[np.int64]]
    served: list[TagSet]
    evaluation: Evaluation
    speed: Speed

    @property
    def train(self) -> list[LabelledProduct]:
        """The products of all sources' training files."""
        return [product for source in self.sources for product in source.train]

    @property
    def validation(self) -> list[LabelledProduct]:
        """The products of all sources' validation files, with known labels: the rows of all arrays and lists."""
        return [product for source in self.sources for product in source.validation]

    def with_shops(self, shops: dict[str, str]) -> Self:
        """The same, with the shops that are known for validation products' ids."""
        sources = [replace(source, validation=with_shops(source.validation, shops)) for source in self.sources]
        return replace(self, sources=sources)

    @property
    def copies(self) -> int:
        """The number of validation products with the text of a training product."""
        return copies_of(self.validation, self.train)


def gather(run: Path, data: Path, on_stage: Callable[[str], None] = lambda _: None) -> Gathered:
    """Read a finished run and its files below `data`, and tag the validation products with its bundle.

    Raises:
        RecipeError: `run` holds no finished run, or its bundle is not found.
        LabelledFileError: a file is missing or has a bad line.
        ReportError: the files are not those of the run.
    """
    folder = RunFolder(run)
    recipe, outcome = folder.recipe(), folder.outcome()
    on_stage("Reading the run and its files")
    place, bundle = made_bundle(run, outcome)
    tokenizer = ProductTokenizer(Tokenizer.from_file(str(place / TOKENIZER)), recipe.max_tokens)
    sources = [_read(source, data, tokenizer) for source in recipe.sources]
    labelled = [product for source in sources for product in source.validation]
    sources = [
        replace(source, validation=known_labels(source.validation, bundle.schema).products) for source in sources
    ]
    if fingerprint_of(recipe, data) != bundle.manifest.data_fingerprint:
        msg = f"the files below {data} differ from those that {run} was made from: name their folder with --data"
        raise ReportError(msg)
    on_stage("Tagging the validation products")
    products = [product for source in sources for product in source.validation]
    engine = open_engine(bundle, "cpu")
    try:
        tagger = Tagger.of(bundle, engine)
        logits_of(tagger, products[:_WARM_UP])
        started, cores_started = time.perf_counter(), time.process_time()
        logits = logits_of(tagger, products)
        served = served_tags(tagger, products, logits)
        speed = Speed(len(products), time.perf_counter() - started, time.process_time() - cores_started)
    finally:
        engine.close()
    log_confidences = tagger.decoder.log_confidences(logits)
    return Gathered(
        recipe,
        folder.history(),
        outcome,
        bundle,
        sources,
        logits,
        np.exp(log_confidences),
        tagger.decoder.chosen(log_confidences),
        served,
        evaluate_logits(tagger, labelled, logits),
        speed,
    )


def _read(source: Source, data: Path, tokenizer: ProductTokenizer) -> SourceProducts:
    train = weakly_labelled(read_labelled([data / name for name in source.train], source.columns), source)
    tokens = tokenizer([product.text for product in train])
    truncated = sum(len(each) >= tokenizer.max_tokens for each in tokens)
    return SourceProducts(
        source, train, read_labelled([data / name for name in source.validation], source.columns), truncated
    )
