"""The promise of AUTO tags, checked by drawing products again and again."""

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
from hangtag.trainer.judging.promise import fewest_products, promised_threshold
from hangtag.trainer.recipe.recipe import Recipe, Source
from tests.bundles import tiny_schema, tiny_tokenizer

PRECISION = CONFIDENCE = 0.95
SCHEMA = tiny_schema()
RECIPE = Recipe(sources=(Source(train=("x",)),))
RUNS = 600


def is_right(confidence: np.ndarray) -> np.ndarray:
    """How likely a tag told with this confidence is right: an overconfident model, 95 % at confidence 0.8."""
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


def broken(rule, count: int) -> int:
    """In how many of the runs a threshold that the rule sets on `count` products has too low a true precision."""
    rng = np.random.default_rng(count)
    thresholds = [rule(*draw(count, rng)) for _ in range(RUNS)]
    return sum(threshold is not None and true_precision(threshold) < PRECISION for threshold in thresholds)


def promised(confidences: np.ndarray, right: np.ndarray) -> float | None:
    found = promised_threshold(confidences, right, PRECISION, CONFIDENCE)
    return found and found[0]


# What a share of 5 % of the runs may reach by chance.
ALLOWED = int(binom.ppf(0.999, RUNS, 1 - CONFIDENCE))


@pytest.mark.parametrize("count", [120, 500, 2_000])
def test_promise_is_broken_in_at_most_5_percent_of_resamples(count):
    assert broken(promised, count) <= ALLOWED


def test_rule_without_a_bound_would_break_it():
    """What the test above can see: the lowest threshold that was precise enough on the same products fails it."""
    assert broken(naive_threshold, 500) > 3 * ALLOWED


def test_more_products_give_more_coverage():
    rng = np.random.default_rng(1)
    covered = []
    for count in (120, 5_000):
        each = [draw(count, rng) for _ in range(40)]
        covered.append(np.mean([np.mean(c >= (promised(c, r) or NEVER)) for c, r in each]))

    assert covered[1] > covered[0] + 0.1


def test_too_few_products_promise_nothing():
    fewest = fewest_products(PRECISION, CONFIDENCE)

    assert fewest == math.ceil(math.log(0.05) / math.log(0.95)) == 59
    assert promised(np.full(fewest - 1, 0.9), np.ones(fewest - 1, bool)) is None
    assert promised(np.full(fewest, 0.9), np.ones(fewest, bool)) == 0.9
    assert promised(np.zeros(0), np.zeros(0, bool)) is None


def test_equal_confidences_stand_together():
    """A threshold takes all products of one confidence: mistakes hidden among ties count."""
    confidences = np.full(1_000, 0.9)
    right = np.arange(1_000) >= 100

    assert promised(confidences, right) is None


def labelled(count: int, wrong: float, seed: int) -> tuple[np.ndarray, list[LabelledProduct]]:
    """Logits that tell one of the segments; wrong ones are told with less confidence, most of the time."""
    rng = np.random.default_rng(seed)
    tags = SCHEMA.facets[0].tags
    logits = rng.normal(0, 0.3, (count, len(SCHEMA.tags))).astype(np.float32)
    products = []
    for row in range(count):
        truth = rng.integers(len(tags))
        told = (truth + 1) % len(tags) if rng.random() < wrong else truth
        logits[row, SCHEMA.index[tags[told]]] += rng.normal(6 if told == truth else 3, 1)
        products.append(LabelledProduct(str(row), "x", "", "", frozenset({"segment"}), frozenset({tags[truth]})))
    return logits, products


def test_promised_tags_keep_it_on_other_products():
    logits, products = labelled(3_000, wrong=0.15, seed=0)
    examples = examples_of(products, SCHEMA, tiny_tokenizer())

    calibration = fit_calibration(logits, examples, SCHEMA)
    decisions = decide(logits, examples, SCHEMA, calibration, RECIPE)
    served = cross_fitted(logits, products, examples, SCHEMA, RECIPE)["segment"]

    assert set(decisions.promises) == set(SCHEMA.facets[0].tags)
    assert all(not promise.pooled for promise in decisions.promises.values())
    assert served.precision >= PRECISION - 0.01
    assert 0.5 < served.coverage < 0.95
    assert served.calibration_error < served.uncalibrated_error


def test_tag_without_a_promise_is_never_auto():
    """Half the told tags are wrong: nothing can be promised, all go to REVIEW."""
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


def test_tag_told_of_no_product_counts_as_wrong():
    """Products that are none of the facet's: the more of them are told a tag, the higher its threshold."""
    logits, products = labelled(600, wrong=0.0, seed=3)
    nothing = [LabelledProduct(str(row), "x", "", "", frozenset({"segment"}), frozenset()) for row in range(300)]
    more = np.concatenate([logits, np.roll(logits[:300], 1, axis=0)])

    def thresholds(logits: np.ndarray, products: list[LabelledProduct]) -> list[float]:
        examples = examples_of(products, SCHEMA, tiny_tokenizer())
        calibration = fit_calibration(logits, examples, SCHEMA)
        return [cut.auto for cut in decide(logits, examples, SCHEMA, calibration, RECIPE).thresholds.tags.values()][:2]

    assert min(thresholds(more, products + nothing)) > max(thresholds(logits, products))


def test_calibration_error_is_the_gap_of_the_bins():
    confidences = np.repeat([0.2, 0.9], 1_500)
    right = np.concatenate([np.arange(1_500) < 300, np.arange(1_500) < 1_200])

    assert calibration_error(confidences[:1_500], np.arange(1_500) % 5 == 0) == pytest.approx(0, abs=0.01)
    assert calibration_error(confidences, right) > 0.04
