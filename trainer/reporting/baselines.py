"""Baselines to compare a run with: the most common tag, a linear model, the encoder before fine-tuning."""

import hashlib
import json
import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from hangtag.tags.schema import Facet, FacetKind
from hangtag.tags.tagset import TagSet
from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.data.examples import collate, examples_of, in_order_of_length
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.fitting.base_model import BaseModelError, resolve_base_model
from hangtag.trainer.fitting.model import TagModel, load_encoder
from hangtag.trainer.judging.evaluate import facet_score
from hangtag.trainer.reporting.gather import Gathered

# Limits that keep baselines at minutes, not hours, for any data; the notes in the report mention them.
_LINEAR_PRODUCTS = 12_000
_LINEAR_FEATURES = 200_000
_PROBE_PRODUCTS = 1_500
_BATCH = 64

# One set of predicted tags per product.
Predictions = list[set[str]]


class BaselineScore(BaseModel):
    """Averages of F1 over a facet's labelled products, by scikit-learn's definitions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weighted_f1: float
    macro_f1: float
    micro_f1: float


class Baseline(BaseModel):
    """One baseline: how it was made, and its figures by facet; empty if it could not be measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    note: str
    facets: dict[str, BaselineScore]


class _Cache(BaseModel):
    """Finished baselines, by the names of their functions; `key` identifies data and settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    baselines: dict[str, Baseline]


def baselines_of(gathered: Gathered, cache: Path, on_stage: Callable[[str], None] = lambda _: None) -> list[Baseline]:
    """All baselines. Those in `cache` (a JSON file) are reused if data and settings are the same."""
    key = _key(gathered)
    kept = _cached(cache, key)
    for make in (_majority, _linear, _probe):
        if make.__name__ not in kept:
            on_stage(f"Baseline: {(make.__doc__ or '').split(':')[0].lower()}")
            kept[make.__name__] = make(gathered)
            write_text(cache, _Cache(key=key, baselines=kept).model_dump_json(indent=1) + "\n")
    return list(kept.values())


def _cached(file: Path, key: str) -> dict[str, Baseline]:
    """The baselines in the cache file; none if it is missing, damaged or of other data or settings."""
    try:
        cache = _Cache.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return {}
    return cache.baselines if cache.key == key else {}


def _key(gathered: Gathered) -> str:
    recipe = gathered.recipe
    parts = [
        gathered.bundle.manifest.data_fingerprint,
        gathered.bundle.schema.content_hash,
        recipe.model_dump_json(include={"base_model", "sources", "max_tokens", "seed"}),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _majority(gathered: Gathered) -> Baseline:
    """Most common tag: a prediction that ignores the product."""

    def predict(facet: Facet, train: list[LabelledProduct], products: list[LabelledProduct]) -> Predictions:
        counts = Counter(tag for product in train for tag in sorted(product.tags) if tag in facet.tags)
        return [{tag for tag, _ in counts.most_common(1)} for _ in products]

    note = "The most common tag of the training products, predicted for every product."
    return Baseline(title="most common tag", note=note, facets=_scores(gathered, predict, gathered.train, None))


def _linear(gathered: Gathered) -> Baseline:
    """TF-IDF and a linear model: a prediction from words and characters."""

    def predict(facet: Facet, train: list[LabelledProduct], products: list[LabelledProduct]) -> Predictions:
        drawn = random.Random(gathered.recipe.seed).sample(train, min(_LINEAR_PRODUCTS, len(train)))
        shared: dict[str, Any] = {"sublinear_tf": True, "min_df": 2, "max_features": _LINEAR_FEATURES}
        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **shared),  # noqa: S106 (no password)
            # Not only inside words, because some languages do not use spaces.
            TfidfVectorizer(analyzer="char", ngram_range=(2, 4), **shared),
        )
        known = features.fit_transform([_text(product) for product in drawn])
        return _fitted(facet, LinearSVC(), known, drawn, features.transform([_text(each) for each in products]))

    note = (
        f"TF-IDF of words, pairs of words and 2 to 4 characters, a linear SVM per tag, on at most {_LINEAR_PRODUCTS:,} "
        "training products per facet; default settings, not tuned."
    )
    return Baseline(title="TF-IDF + linear", note=note, facets=_scores(gathered, predict, gathered.train, None))


def _probe(gathered: Gathered) -> Baseline:
    """Encoder before fine-tuning: a linear model on its vectors."""
    recipe, title = gathered.recipe, "before fine-tuning"
    try:
        encoder, raw_tokenizer, _ = load_encoder(resolve_base_model(recipe.base_model))
    except BaseModelError as error:
        return Baseline(title=title, note=f"Not measured: {error}", facets={})
    tokenizer = ProductTokenizer(raw_tokenizer, recipe.max_tokens)
    train = _sample([source.train for source in gathered.sources], recipe.seed)
    validation = _sample([source.validation for source in gathered.sources if source.validation], recipe.seed)
    products = [*train, *validation]
    pooled = _pooled(encoder, tokenizer, products, gathered)
    vector_of = {product.text: vector for product, vector in zip(products, pooled, strict=True)}

    def predict(facet: Facet, train: list[LabelledProduct], products: list[LabelledProduct]) -> Predictions:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=300))
        known, unseen = (np.stack([vector_of[each.text] for each in some]) for some in (train, products))
        return _fitted(facet, classifier, known, train, unseen)

    note = (
        f"The base encoder without fine-tuning, mean pooling, a logistic regression; {len(train):,} training products, "
        f"evaluated on {len(validation):,} of the validation products."
    )
    return Baseline(title=title, note=note, facets=_scores(gathered, predict, train, validation))


def _scores(
    gathered: Gathered,
    predict: Callable[[Facet, list[LabelledProduct], list[LabelledProduct]], Predictions],
    train: list[LabelledProduct],
    validation: list[LabelledProduct] | None,
) -> dict[str, BaselineScore]:
    scores = {}
    for facet in gathered.bundle.schema.facets:
        unseen = [product for product in validation or gathered.validation if facet.name in product.facets]
        known = [product for product in train if facet.name in product.facets]
        if facet.kind is FacetKind.SINGLE:
            known = [product for product in known if not product.tags.isdisjoint(facet.tags)]
        if unseen and known:
            truth = [{tag for tag in product.tags if tag.startswith(f"{facet.name}:")} for product in unseen]
            score = facet_score(facet, truth, predict(facet, known, unseen), [TagSet((), ())] * len(unseen))
            scores[facet.name] = BaselineScore.model_validate(
                {name: getattr(score, name) for name in BaselineScore.model_fields}
            )
    return scores


def _fitted(facet: Facet, classifier: Any, known: Any, train: Sequence[LabelledProduct], unseen: Any) -> Predictions:
    labels = [sorted(product.tags & set(facet.tags)) for product in train]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tags that all or no products have, and about few iterations
        if facet.kind is FacetKind.MULTI:
            binarizer = MultiLabelBinarizer(classes=facet.tags)
            found = OneVsRestClassifier(classifier).fit(known, binarizer.fit_transform(labels)).predict(unseen)
            # For a single tag, the prediction is a row, not a column.
            return [set(tags) for tags in binarizer.inverse_transform(found.reshape(-1, len(facet.tags)))]
        first = [tags[0] for tags in labels]
        if len(set(first)) == 1:
            return [{first[0]} for _ in range(unseen.shape[0])]
        return [{str(tag)} for tag in classifier.fit(known, first).predict(unseen)]


def _text(product: LabelledProduct) -> str:
    return f"{product.text.first} {product.text.second}"


def _sample(sources: list[list[LabelledProduct]], seed: int) -> list[LabelledProduct]:
    """Draw the same number of products from each source, so that facets of small sources are not lost."""
    rng, each = random.Random(seed), _PROBE_PRODUCTS // max(1, len(sources))
    return [product for products in sources for product in rng.sample(products, min(each, len(products)))]


def _pooled(
    encoder: nn.Module, tokenizer: ProductTokenizer, products: list[LabelledProduct], gathered: Gathered
) -> NDArray[np.float32]:
    model = TagModel(encoder, 1, dropout=0.0)
    model.head = nn.Identity()  # type: ignore[assignment]  # the pooled vector itself
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    device = next(model.parameters()).device
    examples = examples_of(products, gathered.bundle.schema, tokenizer)
    result: NDArray[np.float32] | None = None
    with torch.inference_mode():
        for batch in in_order_of_length(examples, _BATCH):
            inputs = (tensor.to(device) for tensor in collate([examples[at] for at in batch])[:3])
            vectors = model(*inputs).float().cpu().numpy()
            if result is None:
                result = np.empty((len(examples), vectors.shape[1]), np.float32)
            result[batch] = vectors
    return np.empty((0, 0), np.float32) if result is None else result
