"""The AUTO promise, checked by repeated sampling of products."""

import math

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")

from scipy.stats import binom

from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.calibration import calibration_error, fit_calibration
from hangtag.trainer.judging.cross_fit import cross_fitted
from hangtag.trainer.judging.decide import NEVER, decide
from hangtag.trainer.judging.promise import min_products, promised_threshold
from hangtag.trainer.recipe.recipe import Recipe, Source
from tests.bundles import tiny_schema, tiny_tokenizer

PRECISION = CONFIDENCE = 0.95
SCHEMA = tiny_schema()
RECIPE = Recipe(sources=(Source(train=("x",)),))
RUNS = 600


def is_right(confidence: np.ndarray) -> np.ndarray:
    """The probability that a tag predicted with this confidence is right, in a model with 95 % at confidence 0.8."""
    return np.clip(0.7 + 0.3125 * confidence, 0, 1)


def draw(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    confidences = rng.beta(4, 1.2, count)
    return confidences, rng.random(count) < is_right(confidences)


MANY = np.sort(np.random.default_rng(99).beta(4, 1.2, 400_000))
PRECISION_FROM = np.cumsum(is_right(MANY)[::-1])[::-1] / np.arange(len(MANY), 0, -1)


def true_precision(threshold: float) -> float:
    return float(PRECISION_FROM[np.searchsorted(MANY, threshold)])


def naive_threshold(confidences: np.ndarray, right: np.ndarray) -> float | None:
    falling = np.argsort(-confidences)
    precisions = np.cumsum(right[falling]) / np.arange(1, len(falling) + 1)
    enough = np.flatnonzero(precisions >= PRECISION)
    return float(confidences[falling[enough[-1]]]) if len(enough) else None


def count_broken(rule, count: int) -> int:
    """The number of runs in which the rule's threshold, set on `count` products, has too low a true precision."""
    rng = np.random.default_rng(count)
    thresholds = [rule(*draw(count, rng)) for _ in range(RUNS)]
    return sum(threshold is not None and true_precision(threshold) < PRECISION for threshold in thresholds)


def promised(confidences: np.ndarray, right: np.ndarray) -> float | None:
    found = promised_threshold(confidences, right, PRECISION, CONFIDENCE)
    return found and found[0]


# The number of failures that a failure rate of 5 % can reach by chance.
ALLOWED = int(binom.ppf(0.999, RUNS, 1 - CONFIDENCE))


@pytest.mark.parametrize("count", [120, 500, 2_000])
def test_the_promise_is_broken_in_at_most_5_percent_of_samples(count):
    assert count_broken(promised, count) <= ALLOWED


def test_a_rule_without_a_bound_breaks_the_promise():
    """The test above detects broken promises: the lowest threshold with enough precision on the sample fails it."""
    assert count_broken(naive_threshold, 500) > 3 * ALLOWED


def test_more_products_give_more_coverage():
    rng = np.random.default_rng(1)
    covered = []
    for count in (120, 5_000):
        each = [draw(count, rng) for _ in range(40)]
        covered.append(np.mean([np.mean(c >= (promised(c, r) or NEVER)) for c, r in each]))

    assert covered[1] > covered[0] + 0.1


def test_too_few_products_allow_no_promise():
    needed = min_products(PRECISION, CONFIDENCE)

    assert needed == math.ceil(math.log(0.05) / math.log(0.95)) == 59
    assert promised(np.full(needed - 1, 0.9), np.ones(needed - 1, bool)) is None
    assert promised(np.full(needed, 0.9), np.ones(needed, bool)) == 0.9
    assert promised(np.zeros(0), np.zeros(0, bool)) is None


def test_equal_confidences_are_not_separated():
    """All products with the same confidence are on one side of a threshold, so mistakes among ties count."""
    confidences = np.full(1_000, 0.9)
    right = np.arange(1_000) >= 100

    assert promised(confidences, right) is None


def labelled(count: int, wrong: float, seed: int) -> tuple[np.ndarray, list[LabelledProduct]]:
    """Logits that predict one of the segments; wrong predictions mostly have a lower confidence."""
    rng = np.random.default_rng(seed)
    tags = SCHEMA.facets[0].tags
    logits = rng.normal(0, 0.3, (count, len(SCHEMA.tags))).astype(np.float32)
    products = []
    for row in range(count):
        truth = rng.integers(len(tags))
        predicted = (truth + 1) % len(tags) if rng.random() < wrong else truth
        logits[row, SCHEMA.index[tags[predicted]]] += rng.normal(6 if predicted == truth else 3, 1)
        products.append(LabelledProduct(str(row), "x", "", "", frozenset({"segment"}), frozenset({tags[truth]})))
    return logits, products


def test_promises_hold_on_other_products():
    logits, products = labelled(3_000, wrong=0.15, seed=0)
    examples = examples_of(products, SCHEMA, tiny_tokenizer())

    calibration = fit_calibration(logits, examples, SCHEMA)
    decisions = decide(logits, examples, SCHEMA, calibration, RECIPE)
    served = cross_fitted(logits, products, examples, SCHEMA, RECIPE).facets["segment"]

    assert set(decisions.promises) == set(SCHEMA.facets[0].tags)
    assert all(not promise.pooled for promise in decisions.promises.values())
    assert served.precision >= PRECISION - 0.01
    assert 0.5 < served.coverage < 0.95
    assert served.calibration_error < served.uncalibrated_error


def test_a_tag_without_a_promise_is_never_auto():
    """Half of the predictions are wrong: no promise can be made, and all go to REVIEW."""
    logits, products = labelled(400, wrong=0.5, seed=1)
    logits[:, SCHEMA.slices["segment"]] = np.sign(logits[:, SCHEMA.slices["segment"]] - 1) * 4
    examples = examples_of(products, SCHEMA, tiny_tokenizer())

    decisions = decide(logits, examples, SCHEMA, fit_calibration(logits, examples, SCHEMA), RECIPE)

    assert not decisions.promises
    assert all(cut.auto > 1 for cut in decisions.thresholds.tags.values())


def test_rare_tags_share_a_promise():
    logits, products = labelled(150, wrong=0.0, seed=2)
    examples = examples_of(products, SCHEMA, tiny_tokenizer())

    decisions = decide(logits, examples, SCHEMA, fit_calibration(logits, examples, SCHEMA), RECIPE)
    segments = [decisions.promises[tag] for tag in SCHEMA.facets[0].tags]

    assert all(promise.pooled for promise in segments)
    assert len({(promise.products, promise.wrong) for promise in segments}) == 1


def test_a_tag_predicted_for_a_product_without_tags_counts_as_wrong():
    """The more products that no tag of the facet fits have a predicted tag, the higher its threshold."""
    logits, products = labelled(600, wrong=0.0, seed=3)
    nothing = [LabelledProduct(str(row), "x", "", "", frozenset({"segment"}), frozenset()) for row in range(300)]
    more = np.concatenate([logits, np.roll(logits[:300], 1, axis=0)])

    def thresholds(logits: np.ndarray, products: list[LabelledProduct]) -> list[float]:
        examples = examples_of(products, SCHEMA, tiny_tokenizer())
        calibration = fit_calibration(logits, examples, SCHEMA)
        return [cut.auto for cut in decide(logits, examples, SCHEMA, calibration, RECIPE).thresholds.tags.values()][:2]

    assert min(thresholds(more, products + nothing)) > max(thresholds(logits, products))


def test_calibration_error_is_the_mean_gap_of_the_bins():
    confidences = np.repeat([0.2, 0.9], 1_500)
    right = np.concatenate([np.arange(1_500) < 300, np.arange(1_500) < 1_200])

    assert calibration_error(confidences[:1_500], np.arange(1_500) % 5 == 0) == pytest.approx(0, abs=0.01)
    assert calibration_error(confidences, right) > 0.04
