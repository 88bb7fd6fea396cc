"""Labels that are probably wrong: confident learning on the scores of a model that has not seen them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from hangtag.trainer.data.label_balance import balance_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.out_of_fold import Classes, features_of, out_of_fold

# A facet of which more of the products have several tags is checked tag by tag.
_SEVERAL = 0.01
_SEED = 7


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A product, by its place, whose label of a facet is doubted.

    `given` is its tag and `suggested` the one that it seems to have; empty: none (of a multi facet: the tag that it
    seems to have too much, or to lack). `score` is the probability of what is given: 0 is the most doubtful.
    """

    place: int
    facet: str
    given: str
    suggested: str
    score: float


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """What is doubted, the most doubtful first; `checked` labels per facet, one per tag where each is a question.

    `left_out` tags were not checked: too few products have them, or there is nothing to mistake them for.
    """

    suspicions: Sequence[Suspicion]
    checked: dict[str, int] = field(default_factory=dict)
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    """Which of `names` (a tag, or empty for none) each of the products at `places` has: `classes` are places in it."""

    facet: str
    places: NDArray[np.int64]
    names: Sequence[str]
    classes: Classes


def find_label_noise(
    products: Sequence[LabelledProduct], folds: int = 5, on_step: Callable[[str, int, int], None] = lambda *_: None
) -> LabelNoise:
    """Rank doubtful labels: of single facets the tag, of multi facets each tag by itself.

    A label is doubted by confident learning (Northcutt et al. 2021) and pruning by noise rate, both (cleanlab), on
    out-of-fold probabilities of a linear model, and ranked by the probability of what is given. `on_step` is told the
    facet, how many models are fitted, and how many there will be.
    """
    questions, left_out = _questions(products, folds)
    features = features_of([product.text for product in products]) if questions else csr_matrix((0, 0))
    total, done = folds * len(questions), 0
    suspicions: list[Suspicion] = []
    for question in questions:

        def on_fold(facet: str = question.facet) -> None:
            nonlocal done
            done += 1
            on_step(facet, done, total)

        on_step(question.facet, done, total)
        scores = out_of_fold(features[question.places], question.classes, folds, _SEED, on_fold)
        suspicions += _doubted(question, scores)
    suspicions.sort(key=lambda each: (each.score, each.place, each.facet, each.suggested))
    checked: Counter[str] = Counter()
    for question in questions:
        checked[question.facet] += len(question.places)
    return LabelNoise(suspicions, dict(checked), left_out)


def _doubted(question: _Question, scores: NDArray[np.float64]) -> Iterator[Suspicion]:
    doubtful = find_label_issues(
        question.classes, scores, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    for at in doubtful.tolist():
        given = int(question.classes[at])
        others = scores[at].copy()
        others[given] = -1
        suggested = question.names[int(others.argmax())]
        place = int(question.places[at])
        yield Suspicion(place, question.facet, question.names[given], suggested, float(scores[at, given]))


def _questions(products: Sequence[LabelledProduct], folds: int) -> tuple[list[_Question], list[str]]:
    questions, left_out = [], []
    for facet, balance in balance_of(products).items():
        labelled = [place for place, product in enumerate(products) if facet in product.facets]
        if balance.several > _SEVERAL * balance.labelled:
            for tag in sorted(balance.tags):
                having = [tag if tag in products[place].tags else "" for place in labelled]
                found = _question(facet, labelled, having, folds)
                questions += [found] if found else []
                left_out += [] if found else [tag]
        else:
            one = [place for place in labelled if len(products[place].tags_of(facet)) < 2]  # noqa: PLR2004
            having = ["".join(products[place].tags_of(facet)) for place in one]
            found = _question(facet, one, having, folds)
            questions += [found] if found else []
            left_out += [tag for tag in sorted(balance.tags) if not found or tag not in found.names]
    return questions, left_out


def _question(facet: str, places: Sequence[int], having: Sequence[str], folds: int) -> _Question | None:
    counts = Counter(having)
    names = sorted(name for name, count in counts.items() if count >= folds)
    if len(names) < 2:  # noqa: PLR2004 (there is nothing to mistake it for)
        return None
    kept = [at for at, name in enumerate(having) if counts[name] >= folds]
    index = {name: at for at, name in enumerate(names)}
    return _Question(
        facet,
        np.array([places[at] for at in kept], np.int64),
        names,
        np.array([index[having[at]] for at in kept], np.int64),
    )
