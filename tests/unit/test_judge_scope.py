"""Calibrating the scope, and the probabilities below which texts are refused."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is not installed (extra train)")

from hangtag.bundle import Scope
from hangtag.text.kind import TextKind
from hangtag.trainer.judging.promise import is_shown
from hangtag.trainer.judging.scope import judge_scope

SCOPE = Scope(weight=(1.0,), bias=0.0)
RNG = np.random.default_rng(0)


def test_at_most_the_promised_share_of_texts_about_products_is_refused():
    products, queries = RNG.normal(3, 1.5, 3_000), RNG.normal(2, 1.5, 2_000)
    judged = judge_scope(SCOPE, products, queries, RNG.normal(-3, 1.5, 400))

    for kind, scores, share in ((TextKind.PRODUCT, products, 0.01), (TextKind.QUERY, queries, 0.02)):
        refused = int((judged.scope.probabilities(scores) < judged.scope.refused_below[kind]).sum())
        assert judged.metrics[kind.value]["refused"] == refused > 0
        assert is_shown(len(scores) - refused, len(scores), 1 - share, 0.95)
    assert judged.metrics["query"]["found"] > 300


def test_a_text_that_is_more_likely_about_a_product_than_not_is_never_refused():
    judged = judge_scope(SCOPE, RNG.normal(9, 1, 500), RNG.normal(9, 1, 500), RNG.normal(-9, 1, 100))

    assert set(judged.scope.refused_below.values()) == {0.5}


def test_with_too_few_texts_none_that_was_seen_is_refused():
    queries = RNG.normal(0, 1, 50)
    judged = judge_scope(SCOPE, RNG.normal(0, 1, 50), queries, RNG.normal(-9, 1, 100))

    assert judged.metrics["query"]["refused"] == 0


def test_confidence_is_lower_where_scores_do_not_tell_the_kinds_apart():
    sure, unsure = (
        judge_scope(SCOPE, RNG.normal(at, 1, 500), RNG.normal(at, 1, 500), RNG.normal(-at, 1, 100)) for at in (4, 0.1)
    )

    assert sure.scope.probabilities(np.array([4.0]))[0] > 0.9
    assert unsure.scope.probabilities(np.array([4.0]))[0] < 0.8
