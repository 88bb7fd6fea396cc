"""The scope of a bundle: whether a text is about a product at all."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from hangtag.bundle import BundleError, Scope, load_bundle, read_manifest, redecide_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from tests.bundles import tiny_encoder, write_tiny_bundle

ENGINES = ["cpu"]
if find_spec("torch"):
    import hangtag.engine.torch  # noqa: F401 (loading torch may take longer than a test)

    ENGINES.append("torch")

RNG = np.random.default_rng(3)
SCOPE = Scope(
    weight=tuple(RNG.normal(0, 0.7, tiny_encoder().hidden).tolist()),
    bias=0.25,
    temperature=2.0,
    refused_below={TextKind.PRODUCT: 0.1, TextKind.QUERY: 0.3},
)
TEXTS = [ProductText.of(title) for title in ("red dress", "a", "cat food for the cat", "space game of the red cat")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    write_tiny_bundle(folder / "without")
    write_tiny_bundle(folder / "with", scope=SCOPE)
    return folder


def test_a_scope_is_read_back_and_determines_the_version(folders):
    without, with_scope = (load_bundle(folders / name) for name in ("without", "with"))

    assert (without.scope, with_scope.scope) == (None, SCOPE)
    assert without.version != with_scope.version
    assert read_manifest(folders / "with").sections["scope"].required


@pytest.mark.parametrize("kind", ENGINES)
def test_the_score_is_the_row_applied_to_the_vector_that_the_tags_see(folders, kind):
    without, with_scope = (load_bundle(folders / name) for name in ("without", "with"))
    # The row of the first tag, as a scope: its score must be that of the tag.
    row = Scope(weight=tuple(without.weights.head_weight[0].tolist()), bias=float(without.weights.head_bias[0]))
    taggers = [Tagger.of(b, open_engine(b, kind)) for b in (without, with_scope, replace(without, scope=row))]
    plain, scoped, same = [tagger.forward(tagger.encode(TEXTS)) for tagger in taggers]

    assert plain.on_topic is None
    np.testing.assert_allclose(plain.logits, scoped.logits, atol=1e-5)
    assert scoped.logits.shape == (len(TEXTS), len(without.schema.tags))
    np.testing.assert_allclose(same.on_topic, 1 / (1 + np.exp(-plain.logits[:, 0])), atol=1e-5)
    assert ((scoped.on_topic > 0) & (scoped.on_topic < 1)).all()


def test_a_text_is_off_topic_below_the_threshold_of_its_kind():
    assert SCOPE.probabilities(np.array([0.0, -1000.0, 1000.0])).tolist() == [0.5, 0.0, 1.0]
    assert SCOPE.is_off_topic(0.2, TextKind.QUERY)
    assert not SCOPE.is_off_topic(0.2, TextKind.PRODUCT)
    assert not SCOPE.is_off_topic(0.3, TextKind.QUERY)


def test_new_thresholds_keep_the_scope_that_they_come_with(folders, tmp_path):
    bundle = load_bundle(folders / "with")
    parts = {"thresholds": bundle.thresholds, "calibration": bundle.calibration, "recipe": {}, "metrics": {}}
    changed = SCOPE.model_copy(update={"refused_below": {TextKind.QUERY: 0.4}})

    redecide_bundle(folders / "with", tmp_path / "changed", **parts, scope=changed)
    redecide_bundle(folders / "with", tmp_path / "none", **parts)

    assert load_bundle(tmp_path / "changed").scope == changed
    assert load_bundle(tmp_path / "none").scope is None
    assert load_bundle(tmp_path / "none").version == load_bundle(folders / "without").version


def test_a_scope_for_another_encoder_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"scope\.json: weight has 2 numbers, not the encoder's 32"):
        write_tiny_bundle(tmp_path / "bundle", scope=Scope(weight=(1.0, 2.0), bias=0.0))
