"""The release gate: what passes, what is refused and why."""

from dataclasses import replace

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from hangtag.tagger.tagger import Tagger
from hangtag.tags.thresholds import KeyedThresholds, TagThresholds, Thresholds
from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of
from hangtag.trainer.releasing.first_release import check_first_release
from hangtag.trainer.releasing.gate import Limits, check_release
from tests.integration.release.parts import damaged, gate, promising


def test_the_same_bundle_passes(tagger, products):
    verdict = gate(tagger, tagger, products)

    assert not verdict.refused
    assert verdict.compared.facets[0].f1.low == verdict.compared.facets[0].f1.high == 0


def test_the_loss_of_a_tag_is_refused_by_name(tagger, products):
    tag = "genre:rpg"
    at = tagger.bundle.schema.index[tag]

    def forget(logits):
        logits[:, at] = -20
        return logits

    verdict = gate(tagger, damaged(tagger, forget), products, loss=100)

    assert [reason.split(": ")[0] for reason in verdict.refused] == [tag]
    assert gate(tagger, damaged(tagger, forget), products, loss=100, tag_loss=100).refused == []


def test_a_blocked_tag_is_never_predicted(tagger, products):
    """It is never served, so its recall is 0 and the gate reports its loss."""
    tag = "genre:rpg"
    schema = tagger.bundle.schema.model_copy(update={"blocked": (tag,)})
    blocking = Tagger.of(replace(tagger.bundle, schema=schema), tagger.engine)

    score = evaluate_logits(blocking, products, logits_of(blocking, products)).facets["genre"].tags[tag]

    assert score.support > 0
    assert score.recall == score.f1 == 0
    assert [reason.split(": ")[0] for reason in gate(tagger, blocking, products, loss=100).refused] == [tag]


def test_a_loss_that_may_be_chance_is_a_warning(tagger, products):
    schema = tagger.bundle.schema
    chosen = tagger.decoder.chosen(tagger.decoder.log_confidences(logits_of(tagger, products)))["segment"]
    few = [product for product, at in zip(products, chosen, strict=True) if schema.tags[at] in product.tags][:40]
    hit = iter([True])

    def change_one(logits):
        # Another segment is predicted for one product of forty.
        if next(hit, False):
            where = schema.slices["segment"]
            logits[0, where] = -logits[0, where]
        return logits

    verdict = gate(tagger, damaged(tagger, change_one), few)
    facet = next(each for each in verdict.compared.facets if each.facet == "segment")

    assert facet.f1.points < -0.5
    assert facet.f1.high >= 0
    assert verdict.refused == []
    assert any("segment" in warning for warning in verdict.warnings)


def test_a_broken_promise_is_refused(tagger, products):
    def promising(precision: float) -> Tagger:
        manifest = tagger.bundle.manifest.model_copy(update={"metrics": {"promise": {"precision": precision}}})
        return replace(tagger, bundle=replace(tagger.bundle, manifest=manifest))

    assert any("are promised" in reason for reason in gate(tagger, promising(0.97), products).refused)
    assert not gate(tagger, promising(0.5), products).refused


def test_a_weaker_promise_is_refused_unless_it_is_allowed(tagger, products):
    def promising(metrics: dict) -> Tagger:
        manifest = tagger.bundle.manifest.model_copy(update={"metrics": metrics})
        return replace(tagger, bundle=replace(tagger.bundle, manifest=manifest))

    now, same, less = (promising({"promise": {"precision": each}}) for each in (0.6, 0.6, 0.5))

    assert gate(now, same, products).refused == []
    assert gate(promising({}), less, products).refused == []
    assert "a precision of 50% of AUTO tags, the current bundle 60%" in gate(now, less, products).refused[0]
    assert "promises no precision" in gate(now, promising({}), products).refused[0]
    assert gate(now, less, products, allow_weaker_promise=True).refused == []


def test_a_candidate_with_a_lower_coverage_is_refused_also_for_facets_without_labels(tagger, products):
    never = {tag: TagThresholds(auto=1.01, review=0.3) for tag in tagger.bundle.schema.tags}
    thresholds = KeyedThresholds.of_products(Thresholds(tags=never))
    silent = Tagger.of(replace(tagger.bundle, thresholds=thresholds), tagger.engine)
    segments = [replace(product, facets=frozenset({"segment"})) for product in products]

    verdict = gate(tagger, silent, segments, coverage_loss=5)

    refused = {reason.split(":")[0] for reason in verdict.refused}
    assert {"segment", "genre"} <= refused
    assert any(warning.startswith("genre: no product is labelled") for warning in verdict.warnings)
    assert all(share == 0 for _, share in verdict.compared.coverage.values())


def test_slow_and_large_candidates_are_refused(tagger, products):
    verdict = check_release(tagger, tagger, products, (1.0, 50.0), Limits(megabytes=40, slowdown=10))
    assert verdict.refused == ["it has 50.0 MB, more than the limit of 40"]

    def slow(logits):
        import time

        time.sleep(0.2)
        return logits

    assert "speed" in gate(tagger, damaged(tagger, slow), products, slowdown=0.1).refused[0]


def test_forgotten_tags_are_refused(tagger, products):
    def forget(logits):
        return -logits

    verdict = gate(tagger, damaged(tagger, forget), products, loss=100, tag_loss=100, mean_loss=1)

    assert [reason.split(":")[0] for reason in verdict.refused] == ["mean F1 over the tags that both bundles have"]


def test_a_first_release_needs_a_quality_of_its_own(tagger, products):
    good = check_first_release(promising(tagger, 0.5), products, 1.0, Limits())
    strict = check_first_release(promising(tagger, 0.97), products, 50.0, Limits(least_f1=99))

    assert good.refused == []
    assert good.f1["segment"] == pytest.approx(100 * good.evaluation.facets["segment"].weighted_f1)
    assert {warning.split(":")[0] for warning in good.warnings} == {"class", "color"}
    served = strict.served["segment"]
    assert {reason.split(",")[0].split(" AUTO")[0] for reason in strict.refused} >= {
        f"segment: F1 {strict.f1['segment']:.1f}",
        f"segment: {served.right / served.tags:.1%} of {served.tags}",
        "it has 50.0 MB",
    }


def test_a_model_that_always_predicts_the_same_is_no_first_release(tagger, products):
    def always(logits):
        logits[:, tagger.bundle.schema.slices["segment"]] = (0, 0, 9)
        return logits

    pets = [replace(each, facets=frozenset({"segment"}), tags=frozenset({"segment:pets"})) for each in products[:90]]
    games = [replace(each, tags=frozenset({"segment:games"})) for each in pets[:10]]

    verdict = check_first_release(damaged(tagger, always), [*pets, *games], 1.0, Limits())

    (reason,) = verdict.refused
    assert verdict.f1["segment"] == pytest.approx(verdict.constant_f1["segment"])
    assert verdict.f1["segment"] > 80
    assert "predicting its most common label for every product" in reason
