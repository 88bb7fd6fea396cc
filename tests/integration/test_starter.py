"""The shipped bundle: what it promises a newcomer."""

import random
from pathlib import Path

import numpy as np
import pytest

from hangtag.bundle.files import STARTER
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.text.product_text import ProductText
from tests import spoiling

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MIB = 2**20


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    opened = open_tagger(ModelSettings(bundle="starter", engine="cpu"))
    yield opened
    opened.engine.close()


def auto_tags(tagger: Tagger, *texts: str) -> list[list[str]]:
    told = tagger.decode(tagger.forward(tagger.encode([ProductText.of(text) for text in texts])))
    return [[scored.tag for scored in tags.tags] for tags in told]


def test_fits_into_git():
    assert sum(file.stat().st_size for file in STARTER.iterdir()) < 40 * MIB


def test_says_nothing_of_what_is_no_product(tagger):
    """Chat, questions about orders, random letters and next to nothing get no AUTO tag."""
    told = dict(zip(spoiling.NO_PRODUCTS, auto_tags(tagger, *spoiling.NO_PRODUCTS), strict=True))

    assert {text: tags for text, tags in told.items() if tags} == {}


def test_says_what_plain_products_are(tagger):
    told = auto_tags(
        tagger, "Women Blue Slim Fit Mid-Rise Stretchable Denim Jeans", "Men's Running Shoes", "Dog Collar, red leather"
    )

    assert {"segment:clothing", "color:blue", "audience:women"} <= set(told[0])
    assert "segment:footwear" in told[1]
    assert "segment:pet care/food" in told[2]


def test_promises_what_the_manifest_says(tagger):
    promise = tagger.bundle.manifest.metrics["promise"]
    cuts = tagger.bundle.thresholds.tags

    assert (promise["precision"], promise["confidence"]) == (0.95, 0.95)
    assert {tag for tag, cut in cuts.items() if cut.auto <= 1} == set(promise["tags"])


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
