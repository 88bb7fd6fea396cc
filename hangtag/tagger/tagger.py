"""A bundle with its engine and decoder."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from os import PathLike
from typing import Self

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import Engine, EngineKind, open_engine
from hangtag.settings import ModelSettings
from hangtag.tagger.bulk import BulkTagger
from hangtag.tagger.isolate import Failure
from hangtag.tagger.probe import probe
from hangtag.tagger.scores import Scores
from hangtag.tagger.spare_memory import give_back
from hangtag.tags.candidates import Candidates, candidates_of
from hangtag.tags.decoding import Decoder
from hangtag.tags.tagset import TagSet
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens


class TextError(ValueError):
    """A text cannot be tagged; the message says which. The error of the tokenizer or engine is its `__cause__`."""


@dataclass(frozen=True, slots=True)
class Tagger:
    """Texts in, tags out: in one call, or in three steps that can be timed and overlapped separately. Immutable."""

    bundle: Bundle
    engine: Engine
    decoder: Decoder

    @classmethod
    def of(cls, bundle: Bundle, engine: Engine) -> Self:
        """The tagger of a bundle and the engine that was opened with it."""
        return cls(bundle, engine, Decoder(bundle.schema, bundle.calibration, bundle.thresholds))

    @classmethod
    def load(
        cls, bundle: str | PathLike[str] = "starter", engine: EngineKind = "auto", threads: int | None = None
    ) -> "Tagger":
        """The tagger of a bundle's folder. Raises what `open_tagger` raises."""
        return open_tagger(ModelSettings(bundle=str(bundle), engine=engine, threads=threads))

    def __call__(self, texts: Iterable[str | ProductText], kind: TextKind = TextKind.PRODUCT) -> list[TagSet]:
        """The tags of each text, in order: `tags` to use (AUTO) and `review` for a person (REVIEW).

        A string is a product's title or, with `TextKind.QUERY`, a query; a product with a description is
        `ProductText.of(title, description, merchant_category)`. An empty text has no tags. Batches are planned as in
        the worker, so any number of texts may be passed.

        Raises:
            TextError: a text cannot be tagged.
            FaultError: the engine fails for any text, or memory, disk or device do.
        """
        if isinstance(texts, str):
            msg = "pass a list of texts, not a text: tagger([text])"
            raise TypeError(msg)
        cleaned = (text if isinstance(text, ProductText) else ProductText.of(text) for text in texts)
        result = []
        with closing(BulkTagger(self, kind=kind)(enumerate(cleaned))) as tagged:
            for place, found in tagged:
                if isinstance(found, Failure):
                    msg = f"texts[{place}] cannot be tagged: {type(found.error).__name__}"
                    raise TextError(msg) from found.error
                result.append(found.tags)
        return result

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

    def candidates(
        self, scores: Scores, tags: Sequence[TagSet], count: int, kind: TextKind = TextKind.PRODUCT
    ) -> list[Candidates]:
        """The `count` most likely tags of each facet for each text; `tags` is what `decode` made of the scores."""
        return candidates_of(self.bundle.schema, self.decoder.log_confidences(scores.logits, kind), tags, count)


def open_tagger(settings: ModelSettings) -> Tagger:
    """Load the bundle of the settings and open their engine, both checked and warmed up: a probe is tagged.

    Raises:
        BundleError: the bundle is missing or damaged, or its parts do not fit each other.
        EngineError: the engine is not installed or cannot run here.
        FaultError: tokenizer, engine or decoder fail on the probe.
    """
    bundle = load_bundle(settings.bundle)
    give_back()  # before the engine gets its own from between what the bundle left
    engine = open_engine(bundle, settings.engine, settings.threads)
    metrics.BUNDLE.labels(bundle.manifest.name, bundle.version, engine.name).set(1)
    tagger = Tagger.of(bundle, engine)
    probe(tagger)
    give_back()
    return tagger
