"""A bundle, and products labelled with what it predicts."""

from dataclasses import replace

import numpy as np
import pytest

from hangtag.bundle import load_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.thresholds import TagThresholds
from hangtag.trainer.data.labelled import LabelledProduct
from tests.bundles import write_tiny_bundle

WORDS = ["red", "blue", "dress", "shoe", "cat", "food", "game", "space"]


@pytest.fixture(autouse=True)
def timed_once(monkeypatch):
    """How fast the bundles are is measured on fewer texts: few tests are about it."""
    from hangtag.trainer.releasing import gate

    monkeypatch.setattr(gate, "_ROUNDS", 1)
    monkeypatch.setattr(gate, "_TIMED", 32)


@pytest.fixture(scope="session")
def tagger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "now"
    write_tiny_bundle(folder, thresholds=TagThresholds(auto=0.5, review=0.3))
    bundle = load_bundle(folder)
    engine = open_engine(bundle, "cpu")
    yield Tagger.of(bundle, engine)
    engine.close()


@pytest.fixture(scope="session")
def products(tagger):
    """Texts labelled with the bundle's predictions, except for a tenth with another segment."""
    from hangtag.trainer.judging.evaluate import logits_of

    rng = np.random.default_rng(0)
    titles = [" ".join(rng.choice(WORDS, size=rng.integers(2, 7))) for _ in range(400)]
    bare = [LabelledProduct(str(at), title, "", "", frozenset(), frozenset()) for at, title in enumerate(titles)]
    logits = logits_of(tagger, bare)
    schema, chosen = tagger.bundle.schema, tagger.decoder.chosen(tagger.decoder.log_confidences(logits))
    genres = logits[:, schema.slices["genre"]] > 0
    result = []
    for row, product in enumerate(bare):
        segment = schema.tags[chosen["segment"][row]]
        if rng.random() < 0.1:
            segment = rng.choice([tag for tag in schema.facets[0].tags if tag != segment])
        tags = {str(segment)} | {tag for tag, fits in zip(schema.facets[3].tags, genres[row], strict=True) if fits}
        result.append(replace(product, facets=frozenset({"segment", "genre"}), tags=frozenset(tags)))
    return result
