"""Training products whose texts are like those of the cases."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.mistakes.case import Case, Neighbour

# Products whose similarities with all training products are held at a time.
_ROWS = 256
_FEATURES = 200_000


def with_neighbours(cases: Sequence[Case], train: Sequence[LabelledProduct], count: int = 3) -> list[Case]:
    """The cases, each with the `count` training products that are labelled for its facet and have the nearest texts.

    The similarity is the cosine of TF-IDF vectors of words and pairs of words: what a person would search for, not what
    the model computes.
    """
    if not cases or not train:
        return list(cases)
    rows = {case.row: case.product for case in cases}
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=_FEATURES, dtype=np.float32)
    try:
        known = vectorizer.fit_transform([_text(product) for product in train])
    except ValueError:  # no training text has a word
        return list(cases)
    labelled = {
        facet: np.array([facet in product.facets for product in train]) for facet in {case.facet for case in cases}
    }
    of_row: dict[int, list[Case]] = {}
    for case in cases:
        of_row.setdefault(case.row, []).append(case)
    found: dict[tuple[int, str], tuple[Neighbour, ...]] = {}
    wanted = list(rows)
    for start in range(0, len(wanted), _ROWS):
        some = wanted[start : start + _ROWS]
        similarities = (vectorizer.transform([_text(rows[row]) for row in some]) @ known.T).toarray()
        for row, its in zip(some, similarities, strict=True):
            for case in of_row[row]:
                found[row, case.facet] = _nearest(its * labelled[case.facet], train, case.facet, count)
    return [replace(case, neighbours=found[case.row, case.facet]) for case in cases]


def _nearest(
    similarities: "np.ndarray[tuple[int], np.dtype[np.float32]]",
    train: Sequence[LabelledProduct],
    facet: str,
    count: int,
) -> tuple[Neighbour, ...]:
    some = np.argpartition(-similarities, min(count, len(train) - 1))[:count]
    best = some[np.argsort(-similarities[some], kind="stable")]
    return tuple(
        Neighbour(
            train[at].product_id, train[at].title, tuple(sorted(train[at].tags_of(facet))), float(similarities[at])
        )
        for at in best.tolist()
        if similarities[at] > 0
    )


def _text(product: LabelledProduct) -> str:
    return f"{product.title} {product.description}"
