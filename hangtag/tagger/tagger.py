"""A bundle with its engine and decoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import Engine, open_engine
from hangtag.settings import ModelSettings
from hangtag.tagger.probe import probe
from hangtag.tagger.scores import Scores
from hangtag.tags.decoding import Decoder
from hangtag.tags.tagset import TagSet
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Tagger:
    """Texts in, tags out, in three steps that can be timed and overlapped separately. Immutable."""

    bundle: Bundle
    engine: Engine
    decoder: Decoder

    @classmethod
    def of(cls, bundle: Bundle, engine: Engine) -> Self:
        """The tagger of a bundle and the engine that was opened with it."""
        return cls(bundle, engine, Decoder(bundle.schema, bundle.calibration, bundle.thresholds))

    def encode(self, texts: Sequence[ProductText]) -> list[Tokens]:
        """Tokenise, and find the words that attributes need; the order is kept."""
        tokens = self.bundle.tokenizer(texts)
        named = map(self.decoder.named, texts)
        return [replace(each, named=tags) if tags else each for each, tags in zip(tokens, named, strict=True)]

    def forward(self, tokens: Sequence[Tokens]) -> Scores:
        """The scores of encoded texts, in order. Raises what the engine raises."""
        return Scores(self.engine.forward(tokens), [each.named for each in tokens])

    def decode(self, scores: Scores, kinds: Sequence[TextKind]) -> list[TagSet]:
        """The tags of each text, in order; `kinds` holds the kind of each text."""
        return self.decoder.decode(scores.logits, kinds, scores.named)


def open_tagger(settings: ModelSettings) -> Tagger:
    """Load the bundle of the settings and open their engine, both checked and warmed up: a probe is tagged.

    Raises:
        BundleError: the bundle is missing or damaged, or its parts do not fit each other.
        EngineError: the engine is not installed or cannot run here.
        FaultError: tokenizer, engine or decoder fail on the probe.
    """
    bundle = load_bundle(settings.bundle)
    engine = open_engine(bundle, settings.engine, settings.threads)
    metrics.BUNDLE.labels(bundle.manifest.name, bundle.version, engine.name).set(1)
    tagger = Tagger.of(bundle, engine)
    probe(tagger)
    return tagger
