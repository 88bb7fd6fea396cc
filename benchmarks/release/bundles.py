"""Two bundles with other weights, and the tags that each gives to the texts of the feed."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.main_job import FEED, read, text_of
from hangtag.bundle import STARTER, load_bundle, write_bundle
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.text.kind import TextKind
from hangtag.v1 import events_pb2

Tags = frozenset[str]
_SHIFT = 0.35


class Catalogue(NamedTuple):
    """The texts of the feed, and their AUTO tags by version of a bundle: as products, and as texts to suggest for."""

    texts: list[events_pb2.ProductEvent]
    expected: dict[str, list[Tags]]

    def text_number(self, product: int, version: int) -> int:
        """Which text a product has in a version: another one each time."""
        return (7 * product + 13 * version) % len(self.texts)


def write_second(folder: Path) -> str:
    """Write a bundle whose weights and answers differ from the starter's; returns its version."""
    one = load_bundle(STARTER)
    shift = np.random.default_rng(7).normal(0, _SHIFT, len(one.weights.head_bias)).astype(np.float32)
    manifest = write_bundle(
        folder,
        name="second",
        created="2026-01-01T00:00:00Z",
        base_model=one.manifest.base_model,
        data_fingerprint=one.manifest.data_fingerprint,
        recipe={},
        metrics={},
        encoder=one.manifest.encoder,
        schema=one.schema,
        thresholds=one.thresholds,
        calibration=one.calibration,
        tokenizer=one.tokenizer,
        weights=replace(one.weights, head_bias=one.weights.head_bias + shift),
        scope=one.scope,
    )
    return manifest.version


def catalogue_of(folders: list[Path], texts: int) -> Catalogue:
    """What each bundle says about the first texts of the feed."""
    events = read(FEED, texts)
    expected = {}
    for folder in folders:
        tagger = open_tagger(ModelSettings(bundle=str(folder), engine="cpu"))
        found = tagger([text_of(event) for event in events], TextKind.PRODUCT)
        expected[tagger.bundle.version] = [frozenset(scored.tag for scored in each.tags) for each in found]
        tagger.engine.close()
    return Catalogue(events, expected)
