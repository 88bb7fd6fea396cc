"""What another promise would mean, beside what judging with it decides."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.judging.judge import judge
from hangtag.trainer.judging.what_if import what_if
from tests.bundles import tiny_tokenizer
from tests.unit.test_judge import AUDIENCE, COLOR, RECIPE, always_men, confident, labelled, shop_of_named_products

# Each judges the same products eight times.
pytestmark = pytest.mark.timeout(120)
PROMISES = (0.8, 0.9, 0.99)


def test_every_step_is_what_judging_with_its_promise_decides():
    """A third of the predictions is unsure, and a third of these is wrong."""
    rng = np.random.default_rng(0)
    values = [COLOR.facets[0].values[at % 3] for at in range(300)]
    unsure = rng.random(300) < 1 / 3
    products = labelled("color", [(f"scarf {at}", value) for at, value in enumerate(values)])
    given = ["red" if unsure[at] and at % 2 == 0 else value for at, value in enumerate(values)]
    logits = np.where(unsure[:, None], confident(COLOR, given, 2.0), confident(COLOR, given, 7.0)).astype(np.float32)
    examples = examples_of(products, COLOR, tiny_tokenizer())

    steps = what_if(logits, products, examples, COLOR, RECIPE, {}, lambda _: logits, PROMISES)["color"]

    assert [step.promise for step in steps] == [0.8, 0.9, RECIPE.auto_precision, 0.99]
    assert steps[0].covered > steps[2].covered > steps[3].covered
    for step in steps:
        other = RECIPE.model_copy(update={"auto_precision": step.promise})
        judged = judge(logits, products, examples, COLOR, other, {}, lambda _: logits)
        auto = [each.auto for each in judged.decisions.thresholds.tags.values() if each.auto <= 1]
        its = judged.unseen.facets["color"]
        assert (step.lowest, step.highest, step.auto) == (min(auto, default=None), max(auto, default=None), len(auto))
        assert (step.products, step.covered, step.tags, step.wrong) == (300, its.covered, its.tags, its.wrong)
        if step.tags:
            assert step.promise <= step.bound < (step.tags - step.wrong) / step.tags


def test_a_facet_that_is_guessed_has_no_auto_tags_and_texts_are_scored_once(monkeypatch):
    products = shop_of_named_products()
    logits = always_men([product.text for product in products])
    asked: list[int] = []

    def scoring(texts):
        asked.append(len(texts))
        return always_men(texts)

    # Every text is taken to name the facet, so that the guess is served.
    monkeypatch.setattr("hangtag.tags.decoding.Decoder.named", lambda *_: {"product": frozenset(AUDIENCE.tags)})
    examples = examples_of(products, AUDIENCE, tiny_tokenizer())
    words = {"audience:men": ("men",), "audience:women": ("women",), "audience:kids": ("kids",)}
    steps = what_if(logits, products, examples, AUDIENCE, RECIPE, words, scoring, PROMISES)["audience"]

    assert asked == [300]
    assert [(step.auto, step.covered, step.tags, step.wrong) for step in steps] == [(0, 0, 0, 0)] * 4
