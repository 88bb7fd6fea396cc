"""Out-of-fold predictions of a fast linear model, which has not seen the product's own label."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from hangtag.tags.schema import FacetKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.judging.calibration import best_temperature

# The beginning of a text has most of the information, and the rest most of the cost.
_WORD_CHARS = 500
_NGRAM_CHARS = 120
# With this many texts or more, n-grams that occur in only one text are left out.
_MANY = 1_000
_NOTHING = "-nothing-"
_PENALTY = 0.3

Classes = NDArray[np.int64]


def features_of(texts: Sequence[ProductText]) -> csr_matrix:
    """TF-IDF of words and pairs of words, and of character n-grams of the beginning; shape (texts, n-grams)."""
    plain = [f"{text.first} {text.second}".strip() for text in texts]
    # Character n-grams capture parts of words, and are the only usable features in scripts without spaces.
    kinds = ({"ngram_range": (1, 2), "token_pattern": r"\w+"}, {"ngram_range": (2, 5), "analyzer": "char_wb"})
    min_df = 1 if len(texts) < _MANY else 2
    return hstack(
        [
            TfidfVectorizer(sublinear_tf=True, min_df=min_df, dtype=np.float32, **kind).fit_transform(
                [text[:chars] or _NOTHING for text in plain]
            )
            for kind, chars in zip(kinds, (_WORD_CHARS, _NGRAM_CHARS), strict=True)
        ]
    ).tocsr()


def out_of_fold(
    features: csr_matrix, classes: Classes, folds: int, seed: int, on_fold: Callable[[], None] = lambda: None
) -> NDArray[np.float64]:
    """Class probabilities of shape (products, classes), each product's from a model fitted on the other folds.

    The model is a one-vs-rest linear SVM; its margins become probabilities through one temperature, fitted on the
    margins of all folds. `classes` are 0 to K - 1, each with at least `folds` products. `on_fold` is called after each
    fold.
    """
    count = int(classes.max()) + 1
    margins = np.zeros((len(classes), count), np.float32)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for rows, held_out in parts.split(features, classes):
        model = LinearSVC(C=_PENALTY, random_state=seed).fit(features[rows], classes[rows])
        scores = model.decision_function(features[held_out])
        margins[held_out] = scores if scores.ndim > 1 else np.stack([-scores, scores], axis=1)
        on_fold()
    temperature = best_temperature(margins, np.eye(count, dtype=np.float32)[classes], FacetKind.SINGLE)
    probabilities: NDArray[np.float64] = softmax(margins.astype(np.float64) / temperature, axis=1)
    return probabilities
