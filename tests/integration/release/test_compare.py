"""Two bundles compared on the same products."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from hangtag.tags.schema import FacetKind
from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of
from hangtag.trainer.releasing.compare import RESAMPLES, SHARED_SUPPORT, _facet, _with_adjusted_p_values, compare
from tests.integration.release.parts import damaged


def test_figures_are_those_of_the_evaluation(tagger, products):
    compared = compare(tagger, tagger, products)
    evaluated = evaluate_logits(tagger, products, logits_of(tagger, products)).facets

    for facet in compared.facets:
        expected = evaluated[facet.facet]
        average = expected.weighted_f1 if facet.facet == "segment" else expected.micro_f1
        assert facet.f1.candidate == pytest.approx(100 * average, abs=1e-3)
        carried = [tag.f1 for tag in expected.tags.values() if tag.support]
        assert facet.macro_f1.candidate == pytest.approx(100 * np.mean(carried), abs=1e-3)
        for tag in facet.tags:
            assert tag.f1.candidate == pytest.approx(100 * expected.tags[tag.tag].f1, abs=1e-3)
    served = compared.served["segment"]
    assert served.right / served.tags == pytest.approx(evaluated["segment"].auto_precision)


def test_the_loss_of_one_tag_among_hundreds_is_significant():
    rng = np.random.default_rng(0)
    truth = np.eye(300, dtype=bool)[np.repeat(np.arange(300), 25)]
    now = truth.copy()
    now[rng.random(len(now)) < 0.1] = False
    lost = now.copy()
    lost[truth[:, 7], 7] = False
    draws = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=200)

    found = _facet("class", FacetKind.MULTI, [f"class:{at}" for at in range(300)], truth, [now, lost], draws)
    (adjusted,) = _with_adjusted_p_values([found])

    assert [tag.tag for tag in adjusted.tags if tag.q < 0.05] == ["class:7"]


def test_the_interval_covers_the_true_difference(tagger):
    """The 95 % interval contains a known true difference in about 95 % of the runs."""
    rng = np.random.default_rng(1)

    def drawn(count):
        truth = np.eye(3, dtype=bool)[rng.integers(0, 3, count)]
        predicted = [
            np.where((rng.random(count) < share)[:, None], truth, np.roll(truth, 1, 1)) for share in (0.85, 0.80)
        ]
        return truth, predicted

    covered, runs = 0, 100
    for _ in range(runs):
        truth, predicted = drawn(300)
        draws = rng.multinomial(300, np.full(300, 1 / 300), size=RESAMPLES // 4)
        found = _facet("segment", FacetKind.SINGLE, ("a", "b", "c"), truth, predicted, draws).f1
        covered += found.low <= -5 <= found.high

    assert 87 <= covered <= 100


def test_shared_tags_are_compared_on_products_without_other_tags(tagger, products):
    """New tags and their products do not change what counts as forgotten."""
    new = [replace(product, tags=frozenset({"segment:new"}), facets=frozenset({"segment"})) for product in products]
    shared = compare(tagger, tagger, products).shared

    with_new = compare(tagger, tagger, [*products, *new]).shared

    assert shared is not None
    assert with_new is not None
    assert with_new.current == pytest.approx(shared.current)
    carried = [
        tag.f1.current
        for facet in compare(tagger, tagger, products).facets
        for tag in facet.tags
        if tag.support >= SHARED_SUPPORT
    ]
    assert shared.current == pytest.approx(np.mean(carried))
    assert compare(tagger, tagger, new).shared is None


def test_a_tag_with_few_products_does_not_count_as_forgotten(tagger, products):
    """One other prediction would change the mean by many points."""
    tag = "segment:pets"
    rare = [product for product in products if tag not in product.tags]
    rare += [product for product in products if tag in product.tags][: SHARED_SUPPORT - 1]
    at = tagger.bundle.schema.index[tag]

    def forget(logits):
        logits[:, at] = -20
        return logits

    few, enough = (compare(tagger, damaged(tagger, forget), each).shared for each in (rare, products))

    assert few.candidate > few.current - 1
    assert enough.candidate < enough.current - 5
