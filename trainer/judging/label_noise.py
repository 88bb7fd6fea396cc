"""Labels that are probably wrong: confident learning on out-of-fold predictions."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from hangtag.trainer.data.label_balance import balance_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.out_of_fold import Classes, features_of, out_of_fold

# If a larger share of a facet's products has several tags, each tag is checked on its own.
_SEVERAL = 0.01
_SEED = 7
# Products that are judged at once: some 2 GB of n-grams of titles and descriptions.
AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A product, by its place, whose label in a facet is probably wrong.

    `given` is its tag and `suggested` the more likely one; empty means no tag. In a facet that is checked tag by tag,
    one of them is empty: the tag is suggested to be added or removed. `score` is the probability of the given label;
    0 is the most doubtful. `suggested_score` is that of the suggested one.
    """

    place: int
    facet: str
    given: str
    suggested: str
    score: float
    suggested_score: float


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """Suspicions, the most doubtful first.

    `checked` is the number of checked labels per facet (per product and tag if a facet is checked tag by tag).
    `left_out` are tags that were not checked, because too few products have them or all products do.
    """

    suspicions: Sequence[Suspicion]
    checked: dict[str, int] = field(default_factory=dict)
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Task:
    """A classification task: `classes` are the labels of the products at `places`, as indexes into `names`.

    `names` are tags, or empty for no tag.
    """

    facet: str
    places: NDArray[np.int64]
    names: Sequence[str]
    classes: Classes


def find_label_noise(
    products: Sequence[LabelledProduct], folds: int = 5, on_step: Callable[[str, int, int], None] = lambda *_: None
) -> LabelNoise:
    """Rank labels that are probably wrong: one label per product in single facets, one per tag in multi facets.

    A label is suspicious if both confident learning (Northcutt et al. 2021) and pruning by noise rate flag it (both by
    cleanlab), on out-of-fold probabilities of a linear model. Labels are ranked by the probability of the given label.
    Labels that a person has confirmed are never suspicious. `on_step` is called with the facet, the number of models
    fitted so far, and their total.

    More than 50,000 products are judged in parts of about equal size, drawn at random: products, features and models of
    one part are in memory at a time, and of the others only what is suspicious. A tag that too few products of a part
    have is left out only if that is so in every part.
    """
    parts = math.ceil(len(products) / AT_ONCE)
    if parts <= 1:
        return _noise_of(list(products), folds, on_step)
    part_of = np.random.default_rng(_SEED).integers(0, parts, len(products), np.int16)
    suspicions: list[Suspicion] = []
    checked: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    found_in: Counter[str] = Counter()
    for part in range(parts):
        places = np.flatnonzero(part_of == part).tolist()
        its_products = [products[at] for at in places]
        found_in.update({tag for product in its_products for tag in product.tags})

        def on_part(facet: str, done: int, total: int, before: int = part) -> None:
            on_step(f"part {before + 1} of {parts}: {facet}", before * total + done, parts * total)

        found = _noise_of(its_products, folds, on_part)
        suspicions += (replace(each, place=places[each.place]) for each in found.suspicions)
        checked.update(found.checked)
        left_out.update(found.left_out)
    suspicions.sort(key=_rank)
    never = sorted(tag for tag, count in left_out.items() if count == found_in[tag])
    return LabelNoise(suspicions, dict(checked), never)


def _noise_of(products: Sequence[LabelledProduct], folds: int, on_step: Callable[[str, int, int], None]) -> LabelNoise:
    tasks, left_out = _tasks(products, folds)
    features = features_of([product.text for product in products]) if tasks else csr_matrix((0, 0))
    total, done = folds * len(tasks), 0
    suspicions: list[Suspicion] = []
    for task in tasks:

        def on_fold(facet: str = task.facet) -> None:
            nonlocal done
            done += 1
            on_step(facet, done, total)

        on_step(task.facet, done, total)
        scores = out_of_fold(features[task.places], task.classes, folds, _SEED, on_fold)
        suspicions += (each for each in _suspicions(task, scores) if each.facet not in products[each.place].confirmed)
    suspicions.sort(key=_rank)
    checked: Counter[str] = Counter()
    for task in tasks:
        checked[task.facet] += len(task.places)
    return LabelNoise(suspicions, dict(checked), left_out)


def _rank(suspicion: Suspicion) -> tuple[float, int, str, str]:
    return (suspicion.score, suspicion.place, suspicion.facet, suspicion.suggested)


def _suspicions(task: _Task, scores: NDArray[np.float64]) -> Iterator[Suspicion]:
    issues = find_label_issues(
        task.classes, scores, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    for at in issues.tolist():
        given = int(task.classes[at])
        others = scores[at].copy()
        others[given] = -1
        best = int(others.argmax())
        its_scores = float(scores[at, given]), float(scores[at, best])
        yield Suspicion(int(task.places[at]), task.facet, task.names[given], task.names[best], *its_scores)


def _tasks(products: Sequence[LabelledProduct], folds: int) -> tuple[list[_Task], list[str]]:
    tasks, left_out = [], []
    for facet, balance in balance_of(products).items():
        labelled = [place for place, product in enumerate(products) if facet in product.facets]
        if balance.several > _SEVERAL * balance.labelled:
            for tag in sorted(balance.tags):
                having = [tag if tag in products[place].tags else "" for place in labelled]
                found = _task(facet, labelled, having, folds)
                tasks += [found] if found else []
                left_out += [] if found else [tag]
        else:
            one = [place for place in labelled if len(products[place].tags_of(facet)) < 2]  # noqa: PLR2004
            having = ["".join(products[place].tags_of(facet)) for place in one]
            found = _task(facet, one, having, folds)
            tasks += [found] if found else []
            left_out += [tag for tag in sorted(balance.tags) if not found or tag not in found.names]
    return tasks, left_out


def _task(facet: str, places: Sequence[int], having: Sequence[str], folds: int) -> _Task | None:
    counts = Counter(having)
    names = sorted(name for name, count in counts.items() if count >= folds)
    if len(names) < 2:  # noqa: PLR2004 (a classification needs two classes)
        return None
    kept = [at for at, name in enumerate(having) if counts[name] >= folds]
    index = {name: at for at, name in enumerate(names)}
    return _Task(
        facet,
        np.array([places[at] for at in kept], np.int64),
        names,
        np.array([index[having[at]] for at in kept], np.int64),
    )
