"""The shipped bundle does what a newcomer expects of it."""

import random
from pathlib import Path

import numpy as np
import pytest

from hangtag.bundle.files import STARTER
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.tag import facet_of
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


@pytest.mark.parametrize("kind", TextKind)
@pytest.mark.parametrize(
    "text", ["t-shirt", "leather jacket", "hoodie", "waterproof jacket", "Linen shirt", "Navy blue wool coat"]
)
def test_what_the_text_does_not_say_is_not_auto(tagger, text, kind):
    """None of them says whom it is for, and the color of the last one is navy."""
    (tags,) = auto_tags(tagger, text, kind=kind)

    assert "segment:clothing" in tags
    assert not [tag for tag in tags if tag.startswith(("audience:", "color:"))]


def test_what_the_text_says_is_auto(tagger):
    found = auto_tags(tagger, "men's leather jacket", "black boots for men", "Linen shirt for women, blue")

    assert "audience:men" in found[0]
    assert {"audience:men", "color:black"} <= set(found[1])
    assert "color:blue" in found[2]


def test_the_promise_is_shown_for_every_group_of_tags_that_is_served(tagger):
    promise = tagger.bundle.manifest.metrics["promise"]
    auto = {facet_of(tag) for tag in promise["tags"]}

    assert auto == {"segment", "family", "class", "audience", "color"}
    for facet in auto:
        groups = promise["groups"][facet]
        assert not any(groups[support]["auto"] for support in ("0", "1 to 9"))
        assert 1 - groups["10 and more"]["wrong"] / groups["10 and more"]["served"] >= promise["precision"]
    assert {facet: masked["served"] for facet, masked in promise["masked"].items()} == dict.fromkeys(
        ("audience", "color", "genre", "mode"), 0
    )


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

    products = read_labelled([DATA / "marketplace-validation.jsonl.gz"])[::8]
    rng = random.Random(5)
    spoiled = [spoiling.with_typing_errors(product, rng) for product in products]

    clean, worse = (
        np.mean([100 * facet.weighted_f1 for facet in evaluate(tagger, texts).facets.values()])
        for texts in (products, spoiled)
    )

    assert spoiled != products
    assert clean > 88
    assert clean - worse <= 3
