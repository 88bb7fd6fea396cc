"""The shipped bundle does what a newcomer expects of it."""

import random
from pathlib import Path

import numpy as np
import pytest

from hangtag.bundle.files import STARTER
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from tests import spoiling

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MIB = 2**20


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    opened = open_tagger(ModelSettings(bundle="starter", engine="cpu"))
    yield opened
    opened.engine.close()


def auto_tags(tagger: Tagger, *texts: str, kind: TextKind = TextKind.PRODUCT) -> list[list[str]]:
    logits = tagger.forward(tagger.encode([ProductText.of(text) for text in texts]))
    return [[scored.tag for scored in tags.tags] for tags in tagger.decode(logits, [kind] * len(texts))]


def test_fits_into_git():
    assert sum(file.stat().st_size for file in STARTER.iterdir()) < 40 * MIB


@pytest.mark.parametrize("kind", TextKind)
def test_texts_that_name_no_product_get_no_auto_tag(tagger, kind):
    """Chat, questions about orders, random letters and next to nothing."""
    predicted = dict(zip(spoiling.NO_PRODUCTS, auto_tags(tagger, *spoiling.NO_PRODUCTS, kind=kind), strict=True))

    assert {text: tags for text, tags in predicted.items() if tags} == {}


def test_plain_products_get_their_tags(tagger):
    predicted = auto_tags(
        tagger, "Women Blue Slim Fit Mid-Rise Stretchable Denim Jeans", "Men's Running Shoes", "Dog Collar, red leather"
    )

    assert {"segment:clothing", "color:blue", "audience:women"} <= set(predicted[0])
    assert "segment:footwear" in predicted[1]
    assert "segment:pet care/food" in predicted[2]


def test_auto_is_promised_for_exactly_the_tags_in_the_manifest(tagger):
    promise = tagger.bundle.manifest.metrics["promise"]
    thresholds = tagger.bundle.thresholds.entry(TextKind.PRODUCT).tags

    assert (promise["precision"], promise["confidence"]) == (0.95, 0.95)
    assert {tag for tag, its in thresholds.items() if its.auto <= 1} == set(promise["tags"])


@pytest.mark.skipif(not DATA.is_dir(), reason="the labelled marketplace files are not here")
def test_typing_errors_cost_at_most_3_points(tagger):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
    from hangtag.trainer.data.labelled import read_labelled
    from hangtag.trainer.judging.evaluate import evaluate

    products = read_labelled([DATA / "marketplace-validation.jsonl.gz"])[::4]
    rng = random.Random(5)
    spoiled = [spoiling.with_typing_errors(product, rng) for product in products]

    clean, worse = (
        np.mean([100 * facet.weighted_f1 for facet in evaluate(tagger, texts).facets.values()])
        for texts in (products, spoiled)
    )

    assert spoiled != products
    assert clean > 88
    assert clean - worse <= 3
