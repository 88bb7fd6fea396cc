"""Fitting the wide part on labelled products."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.text.ngrams import WORD_BLOCKS, Hashes, ngram_hashes
from hangtag.text.product_text import ProductText
from hangtag.text.wide import Wide, gaps_of
from hangtag.trainer.data.examples import Example
from hangtag.trainer.recipe.wide import WideSettings

Floats = NDArray[np.float32]
_TOP = 127
# The number of n-grams whose weights, and of products whose inner products, are computed at a time.
_ROWS = 20_000
_PRODUCTS = 1_000


def fit_wide(
    texts: Sequence[ProductText],
    labels: Sequence[Example],
    schema: TagSchema,
    settings: WideSettings,
    on_facet: Callable[[str], None] = lambda _: None,
) -> Wide | None:
    """Fit a linear model from n-grams to tags by kernel ridge regression, per facet on the products labelled for it.

    Returns None if every n-gram is too rare or too common. Targets are 1 and 0, minus the tag's share of the products,
    so that a text without a known n-gram gets score 0, which leaves the encoder's logits unchanged. A product that none
    of a single facet's tags fits has target 0 for all of them. The weights are w = X^T (X X^T + ridge I)^-1 Y (Saunders
    et al. 1998); the largest are kept, in int8. A facet without a product that has one of its tags gets no weights.
    """
    vocabulary = _vocabulary(texts, settings)
    if not len(vocabulary.hashes):
        return None
    matrix = _matrix(vocabulary, texts)
    kernel = _kernel(matrix)
    duals = np.zeros((len(texts), len(schema.tags)), np.float32)
    targets = np.stack([example.targets for example in labels])
    known = np.stack([example.known for example in labels]) > 0
    for facet in schema.facets:
        where = schema.slices[facet.name]
        rows = np.flatnonzero(known[:, where].any(axis=1))
        if not targets[rows, where].any():
            continue
        on_facet(facet.name)
        is_single = facet.kind is FacetKind.SINGLE
        strength = settings.single_strength if is_single else settings.multi_strength
        ridge = settings.single_ridge if is_single else settings.multi_ridge
        target = _centred(targets[rows, where], facet.kind)
        duals[rows, where] = strength * _solved(kernel[np.ix_(rows, rows)], target, ridge)
    return _pruned(vocabulary, matrix, duals, settings.entries)


def _vocabulary(texts: Sequence[ProductText], settings: WideSettings) -> Wide:
    """A wide part with n-grams and inverse document frequencies, but without weights."""
    blocks = list(zip(*(ngram_hashes(text) for text in texts), strict=True))
    found = [
        _frequent(block, len(texts), settings, settings.max_word_share if is_words else settings.max_share)
        for block, is_words in zip(blocks, WORD_BLOCKS, strict=True)
    ]
    hashes, products = (np.concatenate(parts) for parts in zip(*found, strict=True))
    hashes, first = np.unique(hashes, return_index=True)
    products = products[first]
    if len(hashes) > settings.max_ngrams:
        # Ties are broken by the smaller hash; any deterministic order would do.
        kept = np.sort(np.argsort(-products, kind="stable")[: settings.max_ngrams])
        hashes, products = hashes[kept], products[kept]
    idf = np.log((1 + len(texts)) / (1 + products)) + 1
    none = np.zeros(len(hashes))
    return Wide(
        hashes,
        idf.astype(np.float16),
        none.astype(np.uint16),
        none.astype(np.float16),
        np.zeros(0, np.uint8),
        np.zeros(0, np.int8),
    )


def _frequent(
    block: Sequence[Hashes], texts: int, settings: WideSettings, max_share: float
) -> tuple[Hashes, NDArray[np.int64]]:
    """The n-grams of one block that are neither too rare nor too common, with their numbers of products."""
    hashes, products = np.unique(np.concatenate([np.unique(each) for each in block]), return_counts=True)
    kept = (products >= settings.min_products) & (products <= max_share * texts)
    return hashes[kept], products[kept]


def _matrix(vocabulary: Wide, texts: Sequence[ProductText]) -> sparse.csr_matrix:
    features = vocabulary.features(texts)
    ends = np.cumsum([0, *(len(each.rows) for each in features)])
    rows, values = (np.concatenate([getattr(each, name) for each in features]) for name in ("rows", "values"))
    return sparse.csr_matrix((values, rows, ends), shape=(len(texts), len(vocabulary.hashes)))


def _kernel(matrix: sparse.csr_matrix) -> Floats:
    """The lower triangle of X X^T, which is all that a Cholesky decomposition needs."""
    kernel = np.zeros((matrix.shape[0],) * 2, np.float32)
    for start in range(0, matrix.shape[0], _PRODUCTS):
        stop = min(start + _PRODUCTS, matrix.shape[0])
        kernel[start:stop, :stop] = (matrix[start:stop] @ matrix[:stop].T).toarray()
    return kernel


def _centred(targets: Floats, kind: FacetKind) -> Floats:
    labelled = targets.any(axis=1) if kind is FacetKind.SINGLE else np.ones(len(targets), bool)
    centred: Floats = (targets - targets[labelled].mean(axis=0)) * labelled.reshape(-1, 1)
    return centred


def _solved(kernel: Floats, targets: Floats, ridge: float) -> Floats:
    kernel[np.diag_indices_from(kernel)] += ridge
    solved: Floats = cho_solve(cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False), targets)
    return solved


def _pruned(vocabulary: Wide, matrix: sparse.csr_matrix, duals: Floats, entries: int) -> Wide:
    """The weights X^T duals, pruned to the `entries` with the largest effect: |weight| times the n-gram's norm."""
    columns = matrix.T.tocsr()
    used = np.sqrt(np.asarray(columns.multiply(columns).sum(axis=1)).ravel()).astype(np.float32)
    effects = [np.abs(weights) * used[rows, None] for rows, weights in _weights(columns, duals)]
    total = sum(effect.size for effect in effects)
    cut = 0.0 if total <= entries else _largest(effects, entries)
    counts, scales, tags, values = [], [], [], []
    for (_, weights), effect in zip(_weights(columns, duals), effects, strict=True):
        scale = (np.abs(weights).max(axis=1) / _TOP).astype(np.float16)
        rounded = np.round(weights / np.maximum(scale, np.float16(1e-6))[:, None].astype(np.float32))
        kept = (effect > cut) & (rounded != 0)
        counts.append(kept.sum(axis=1))
        scales.append(np.maximum(scale, np.float16(1e-6)))
        tags.append(np.nonzero(kept)[1])
        values.append(np.clip(rounded[kept], -_TOP, _TOP))
    entry_values = np.concatenate(values).astype(np.int8)
    gaps, entry_values, entry_counts = gaps_of(np.concatenate(tags), entry_values, np.concatenate(counts))
    return Wide(vocabulary.hashes, vocabulary.idf, entry_counts, np.concatenate(scales), gaps, entry_values)


def _weights(columns: sparse.csr_matrix, duals: Floats) -> Iterator[tuple[slice, Floats]]:
    for start in range(0, columns.shape[0], _ROWS):
        rows = slice(start, min(start + _ROWS, columns.shape[0]))
        yield rows, columns[rows] @ duals


def _largest(effects: Sequence[Floats], count: int) -> float:
    """The threshold that about `count` effects exceed, estimated from a sample: the count may be off by a percent."""
    sample = np.concatenate([effect.ravel()[:: max(1, effect.size // 400_000)] for effect in effects])
    share = count / sum(effect.size for effect in effects)
    return float(np.quantile(sample, 1 - share))
