"""Thresholds and calibration set on labelled products, rule by rule."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.tags.decoding import Decoder
from hangtag.tags.thresholds import Calibration
from hangtag.text.kind import TextKind
from hangtag.trainer.data.examples import Example, examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.calibration import best_temperature, fit_calibration
from hangtag.trainer.judging.cross_fit import cross_fitted
from hangtag.trainer.judging.decide import NEVER, Decisions, decide
from hangtag.trainer.recipe.recipe import Recipe, Source
from tests.bundles import tiny_schema, tiny_tokenizer

SCHEMA = tiny_schema()
RECIPE = Recipe(sources=(Source(train=("x",)),))
SEGMENTS, CLASSES, GENRES = (
    next(facet for facet in SCHEMA.facets if facet.name == name).tags for name in ("segment", "class", "genre")
)
EVEN = Calibration(temperatures={facet.name: 1.0 for facet in SCHEMA.facets})


def products(tags: list[set[str]], *facets: str) -> list[LabelledProduct]:
    return [LabelledProduct(str(at), "x", "", "", frozenset(facets), frozenset(each)) for at, each in enumerate(tags)]


def examples(labelled: list[LabelledProduct], schema=SCHEMA) -> list[Example]:
    return examples_of(labelled, schema, tiny_tokenizer())


def scores(rows: int, **positive: np.ndarray) -> np.ndarray:
    """Logits of 0, except for the tags with the given values."""
    logits = np.zeros((rows, len(SCHEMA.tags)), np.float32)
    for value, column in positive.items():
        logits[:, SCHEMA.index[next(tag for tag in SCHEMA.tags if tag.endswith(f":{value}"))]] = column
    return logits


def decided(logits: np.ndarray, labelled: list[LabelledProduct], schema=SCHEMA, calibration=EVEN) -> Decisions:
    return decide(logits, examples(labelled, schema), schema, calibration, RECIPE)


def genre_logits(count: int) -> np.ndarray:
    logits = scores(count)
    logits[:, SCHEMA.slices["genre"]] = 5 + np.linspace(0, 1, count)[:, None]
    logits[:, SCHEMA.index["segment:games"]] = 9
    return logits


def test_tags_of_a_multi_facet_are_not_pooled():
    """A hundred products with three right genres each count as a hundred products, not as three hundred."""
    labelled = products([{"segment:games", *GENRES}] * 100, "segment", "genre")

    each = decided(genre_logits(100), labelled).promises

    assert set(GENRES) <= set(each)
    assert all(not each[tag].pooled and each[tag].products <= 100 for tag in GENRES)
    assert not set(decided(genre_logits(100)[:50], labelled[:50]).promises) & set(GENRES)


def test_a_blocked_tag_has_no_promise():
    blocked = SCHEMA.model_copy(update={"blocked": (GENRES[0],)})
    labelled = products([{"segment:games", *GENRES}] * 300, "segment", "genre")

    assert GENRES[0] in decided(genre_logits(300), labelled).promises
    assert GENRES[0] not in decided(genre_logits(300), labelled, blocked).promises


def test_a_promise_counts_only_tags_that_could_be_served():
    """A class counts only if its parent segment is AUTO: that half of the equally confident classes is right."""
    tag, above = "class:dresses", "segment:clothing"
    logits = scores(800)
    logits[:, SCHEMA.index[tag]] = 9
    logits[:400, SCHEMA.index[above]] = 9
    logits[400:, SCHEMA.index[above]] = 0.8  # predicted, but with a low confidence
    labels = [{above, tag}] * 400 + [{"segment:pets", "class:cat food"}] * 400

    promise = decided(logits, products(labels, "segment", "class")).promises[tag]

    assert (promise.products, promise.wrong) == (400, 0)


def test_a_threshold_at_equal_confidences_serves_them():
    """A threshold that was rounded up would exclude the products that it was set on."""
    logits = scores(400, games=4.0)
    labelled = products([{"segment:games"}] * 400, "segment")
    decisions = decided(logits, labelled)

    assert decisions.promises["segment:games"].products == 400
    served = Decoder.for_products(SCHEMA, EVEN, decisions.thresholds).decode(logits, [TextKind.PRODUCT] * len(logits))
    assert all([scored.tag for scored in tags.tags] == ["segment:games"] for tags in served)


def test_tags_without_validation_products_go_to_review():
    decisions = decided(scores(100, games=4.0), products([{"segment:games"}] * 100, "segment"))

    for tag in (*CLASSES, *GENRES):
        cut = decisions.thresholds.tags[tag]
        assert cut.auto == NEVER
        assert cut.review <= 0.5


def test_review_starts_where_half_of_the_predicted_tags_are_right():
    margins = np.linspace(0.2, 4, 400)
    labels = [{"segment:games"} if at >= 200 or at % 4 == 0 else {"segment:pets"} for at in range(400)]

    cut = decided(scores(400, games=margins), products(labels, "segment")).thresholds.tags["segment:games"]
    confidences = np.exp(margins) / (np.exp(margins) + len(SEGMENTS) - 1)
    predicted = confidences >= cut.review

    assert 0.35 < cut.review < cut.auto
    assert 0.5 <= np.mean([labels[at] == {"segment:games"} for at in np.flatnonzero(predicted)]) < 0.7


def test_the_review_threshold_of_a_multi_facet_maximises_f1():
    rng = np.random.default_rng(0)
    fits = rng.random(600) < 0.2
    logits = scores(600, rpg=np.where(fits, rng.normal(-1, 0.3, 600), rng.normal(-3, 0.3, 600)))
    logits[:, SCHEMA.index["genre:indie"]] = -9

    cut = decided(logits, products([{"genre:rpg"} if fit else set() for fit in fits], "genre")).thresholds.tags

    assert 0.07 < cut["genre:rpg"].review < 0.22


def test_confidences_stay_below_1_if_all_predictions_are_right():
    """Without smoothed targets the temperature falls to its bound, and every prediction becomes certain."""
    logits = np.zeros((150, 3), np.float32)
    logits[np.arange(150), np.arange(150) % 3] = 3
    targets = (logits > 0).astype(np.float32)
    from hangtag.tags.schema import FacetKind

    temperature = best_temperature(logits, targets, FacetKind.SINGLE)
    confidence = 1 / (1 + 2 * np.exp(-3 / temperature))

    assert 0.98 < confidence < 0.999
    assert best_temperature(logits - 1, targets, FacetKind.MULTI) > 0.2


def test_multi_facets_are_calibrated():
    rng = np.random.default_rng(0)
    true_logits = rng.normal(0, 1, 3_000)
    labels = [{"genre:rpg"} if fit else set() for fit in rng.random(3_000) < 1 / (1 + np.exp(-true_logits))]
    logits = scores(3_000, rpg=4 * true_logits)
    logits[:, [SCHEMA.index[tag] for tag in GENRES if tag != "genre:rpg"]] = -20

    assert fit_calibration(logits, examples(products(labels, "genre")), SCHEMA).temperatures["genre"] > 3


@pytest.fixture(scope="module")
def memorised():
    """Products with random labels and equally confident predictions: thresholds do not generalise to other products."""
    rng = np.random.default_rng(0)
    logits = scores(500)
    labels = []
    for row in range(500):
        truth, predicted = rng.choice(len(SEGMENTS), 2)
        logits[row, SCHEMA.index[SEGMENTS[predicted]]] = 3
        labels.append({SEGMENTS[truth]})
    return logits, products(labels, "segment")


def test_calibration_error_is_that_of_the_predicted_tag(memorised):
    """Over all tags it would be small for any facet with many tags."""
    logits, labelled = memorised
    served = cross_fitted(logits, labelled, examples(labelled), SCHEMA, RECIPE).facets["segment"]
    confidence = np.exp(3) / (np.exp(3) + len(SEGMENTS) - 1)
    right = np.mean([SEGMENTS[row.argmax()] in each.tags for row, each in zip(logits, labelled, strict=True)])

    assert served.uncalibrated_error == pytest.approx(confidence - right, abs=0.02)
    assert served.precision is None
    assert served.tags == 0


def test_products_are_evaluated_with_thresholds_set_on_others():
    """All predictions are confident; those of one of five shops, which its thresholds were not set on, are wrong."""
    count = 500
    logits, labels = scores(count, games=6.0), [{"segment:games"}] * count
    labels = [{"segment:pets"} if at % 5 == 0 else label for at, label in enumerate(labels)]
    labelled = [replace(each, shop=f"shop {at % 5}") for at, each in enumerate(products(labels, "segment"))]

    served = cross_fitted(logits, labelled, examples(labelled), SCHEMA, RECIPE).facets["segment"]

    assert (served.tags, served.wrong) == (100, 100)
    assert replace(served, tags=0).precision is None
