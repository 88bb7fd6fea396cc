"""Learning curve by the number of labelled products, and what twice as many would bring."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.files.folder_lock import locked
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.fitting.epochs import Progress
from hangtag.trainer.fitting.fit import fit
from hangtag.trainer.judging.power_law import predicted_score
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.running.prepared import Prepared, prepare

SHARES = (0.125, 0.25, 0.5, 1.0)
# A power law through fewer points fits anything.
_LEAST_POINTS = 3
_POINT = "point.json"


@dataclass(frozen=True, slots=True)
class Point:
    """One training: the share and number of training products, and the best epoch's validation scores in [0, 1].

    `score` is the mean over `facets` of weighted (single) or micro (multi) F1 of the network without the wide part.
    """

    share: float
    products: int
    score: float
    facets: dict[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Gain:
    """What twice the labelled products would bring: the score predicted, and its range.

    The prediction is that of `predicted_score`. `low` and `high` are the smallest and largest one with one point left
    out: a range, not a confidence interval.
    """

    products: int
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The points with rising numbers of products, and the predicted gain: of the mean score, and of each facet."""

    points: Sequence[Point]
    gain: Gain | None
    facets: dict[str, Gain]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def learning_curve(
    recipe: Recipe,
    data: Path,
    folder: Path,
    shares: Sequence[float] = SHARES,
    *,
    on_point: Callable[[Point], object] = lambda _: None,
    on_epoch: Callable[[float, Epoch], object] = lambda *_: None,
    on_step: Callable[[float, Progress], object] = lambda *_: None,
) -> Curve:
    """Train once with each share of each source's products, and write `curve.json`.

    The products of a smaller share are among those of a larger one. The same call resumes; finished trainings are kept,
    without their weights.

    Raises:
        RecipeError: a share is not in (0, 1] or leaves a source without a product, or the folder holds trainings of
            another recipe or other files.
        FolderInUseError: another process trains in the folder.
        LabelledFileError, BaseModelError: see `prepare`.
        OSError: the folder cannot be written.
    """
    shares = sorted(set(shares))
    if not shares or not 0 < shares[0] <= shares[-1] <= 1:
        msg = f"the shares {', '.join(map(str, shares))} are not all above 0 and at most 1"
        raise RecipeError(msg)
    prepared = prepare(recipe, data)
    points = []
    with locked(folder):
        for share in shares:
            point = _point(recipe, prepared, share, folder, on_epoch, on_step)
            points.append(point)
            on_point(point)
        curve = Curve(points, *_gains(points))
        write_text(folder / "curve.json", json.dumps(curve.to_json(), indent=1) + "\n")
    return curve


def _point(
    recipe: Recipe,
    prepared: Prepared,
    share: float,
    folder: Path,
    on_epoch: Callable[[float, Epoch], object],
    on_step: Callable[[float, Progress], object],
) -> Point:
    sources = [_part(source, share, recipe.seed) for source in prepared.train.sources]
    products = sum(map(len, sources))
    run = RunFolder(folder / f"share-{share:g}")
    run.claim(recipe, prepared.data_fingerprint, prepared.schema)
    if not (run.path / _POINT).is_file():
        part = replace(prepared, train=replace(prepared.train, sources=sources)).with_teachers(recipe, run)
        fit(
            part.model(recipe),
            part.train,
            part.validation,
            recipe,
            run,
            lambda at: on_step(share, at),
            lambda epoch: on_epoch(share, epoch),
        )
    history = run.history()
    best = max(history, key=lambda epoch: epoch.score)
    point = Point(share, products, best.score, best.facets, sum(epoch.seconds for epoch in history))
    write_text(run.path / _POINT, json.dumps(asdict(point), indent=1) + "\n")
    run.best.unlink(missing_ok=True)  # weights of many trainings would fill the disk
    return point


def _part(products: Sequence[LabelledProduct], share: float, seed: int) -> list[LabelledProduct]:
    order = random.Random(seed).sample(range(len(products)), len(products))
    count = round(share * len(products))
    if products and not count:
        msg = f"{share:g} of {len(products)} products is none: use larger shares"
        raise RecipeError(msg)
    return [products[at] for at in sorted(order[:count])]


def _gains(points: Sequence[Point]) -> tuple[Gain | None, dict[str, Gain]]:
    if len(points) < _LEAST_POINTS:
        return None, {}
    sizes = [point.products for point in points]
    facets = {name: [point.facets.get(name, float("nan")) for point in points] for name in points[-1].facets}
    found = {name: gain_of(sizes, scores) for name, scores in facets.items() if not np.isnan(scores).any()}
    return gain_of(sizes, [point.score for point in points]), found


def gain_of(sizes: Sequence[int], scores: Sequence[float]) -> Gain:
    """The score predicted for twice the largest size."""
    doubled = 2 * sizes[-1]
    left_out = [
        predicted_score([*sizes[:at], *sizes[at + 1 :]], [*scores[:at], *scores[at + 1 :]], doubled)
        for at in range(len(sizes))
    ]
    return Gain(doubled, predicted_score(sizes, scores, doubled), min(left_out), max(left_out))
