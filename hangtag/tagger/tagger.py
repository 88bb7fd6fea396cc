"""A bundle with its engine and decoder."""

import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from typing import Self

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import Engine, EngineKind, open_engine
from hangtag.evidence import Evidence
from hangtag.settings import ModelSettings
from hangtag.tagger.bulk import BulkTagger
from hangtag.tagger.encoder import Encoder
from hangtag.tagger.encoder_pool import EncoderPool
from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.probe import probe
from hangtag.tagger.scores import Scores
from hangtag.tagger.spare_memory import give_back
from hangtag.tagger.suggested import Suggested
from hangtag.tagger.vectors import BundleVectors
from hangtag.tags.candidates import Candidates, candidates_of
from hangtag.tags.decoding import Decoder
from hangtag.tags.tagset import TagSet
from hangtag.tags.vector import Vector
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.text.understood import NoTags, Understood
from hangtag.words import Reader

# Texts that are suggested tags for in one call.
_BATCH = 64

# More do not make one process faster.
_MOST_ENCODERS = 12


class TextError(ValueError):
    """A text cannot be tagged; the message says which. The error of the tokenizer or engine is its `__cause__`."""

    @classmethod
    def of(cls, place: int, failure: Failure) -> Self:
        """The error of the text at this place of a list."""
        return cls(f"texts[{place}] cannot be tagged: {type(failure.error).__name__}")


@dataclass(frozen=True, slots=True)
class Tagger:
    """Texts in, tags out: in one call, or in three steps that can be timed and overlapped separately. Immutable."""

    bundle: Bundle
    engine: Engine
    decoder: Decoder
    reader: Reader
    evidence: Evidence
    encoders: EncoderPool | None = field(default=None, kw_only=True)
    vectors: BundleVectors = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", BundleVectors(self.bundle))

    @classmethod
    def of(cls, bundle: Bundle, engine: Engine) -> Self:
        """The tagger of a bundle and the engine that was opened with it."""
        decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
        reader = Reader(bundle.schema, bundle.thresholds, bundle.tokenizer, bundle.weights.wide)
        return cls(bundle, engine, decoder, reader, Evidence(bundle.schema, bundle.weights, reader.names))

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
                    raise TextError.of(place, found) from found.error
                result.append(found.tags)
        return result

    def suggest(self, texts: Sequence[str | ProductText], kind: TextKind = TextKind.QUERY) -> list[Suggested]:
        """What `SuggestTags` answers to each text, in order. The engine must have been opened with vectors.

        Any number of texts may be passed: they are tagged in batches. An empty text has no tags.

        Raises:
            TextError: a text cannot be tagged.
            FaultError: the engine fails for any text, or memory, disk or device do.
        """
        cleaned = [text if isinstance(text, ProductText) else ProductText.of(text) for text in texts]
        result = []
        for start in range(0, len(cleaned), _BATCH):
            some = cleaned[start : start + _BATCH]
            found = isolate(partial(self._suggested, kind), some, partial(probe, self))
            for place, each in enumerate(found, start):
                if isinstance(each, Failure):
                    raise TextError.of(place, each) from each.error
                result.append(each)
        return result

    def _suggested(self, kind: TextKind, texts: Sequence[ProductText]) -> list[Suggested]:
        kinds = [kind] * len(texts)
        scores = self.forward(self.encode_located(texts, kinds), with_vectors=True)
        return self.explain(scores, self.decode(scores, kinds), kinds)

    def encode(self, texts: Sequence[ProductText], kinds: Sequence[TextKind] | None = None) -> list[Tokens]:
        """Read the texts, tokenise them, and find the words that attributes need; the order is kept.

        `kinds` holds the kind of each text; without it, all are products.
        """
        return (self.encoders or Encoder(self.bundle.tokenizer, self.decoder, self.reader))(texts, kinds)

    def encode_located(self, texts: Sequence[ProductText], kinds: Sequence[TextKind]) -> list[Tokens]:
        """As `encode`, with where the tokens are in the texts, which `explain` needs. Never in other processes."""
        return Encoder(self.bundle.tokenizer, self.decoder, self.reader).located(texts, kinds)

    def with_encoders(self, count: int) -> "Tagger":
        """The same tagger with `count` processes that tokenise; close it at the end.

        Raises:
            EncoderPoolError: they cannot start.
        """
        return replace(self, encoders=EncoderPool(Encoder.without_weights(self.bundle, self.decoder), count))

    def with_blocked(self, tags: Collection[str]) -> "Tagger":
        """The same tagger, which never gives these tags beside those that its bundle blocks; it shares the engine.

        Tags that the bundle does not have are left out.
        """
        schema = self.bundle.schema.with_blocked(tags)
        if schema is self.bundle.schema:
            return self
        bundle = replace(self.bundle, schema=schema)
        return replace(self, bundle=bundle, decoder=Decoder(schema, bundle.calibration, bundle.thresholds))

    def close(self) -> None:
        """End the processes that tokenise. The engine stays open: other taggers may use it."""
        if self.encoders is not None:
            self.encoders.close()

    def forward(self, tokens: Sequence[Tokens], *, with_vectors: bool = False, with_means: bool = False) -> Scores:
        """The scores of encoded texts, in order; `explain` needs the vectors, `vectors.keep` needs the means.

        Raises what the engine raises.
        """
        vectors = means = None
        if with_vectors:
            logits, vectors = self.engine.forward_with_vectors(tokens)
        elif with_means:
            logits, means = self.engine.forward_with_means(tokens)
        else:
            logits = self.engine.forward(tokens)
        on_topic, scope = None, self.bundle.scope
        if scope is not None:
            logits, on_topic = logits[:, :-1], scope.probabilities(logits[:, -1])
        named, understood = [each.named for each in tokens], [each.understood for each in tokens]
        return Scores(logits, named, on_topic, understood, vectors, [each.origins for each in tokens], means)

    def decode(self, scores: Scores, kinds: Sequence[TextKind]) -> list[TagSet]:
        """The tags of each text, in order; `kinds` holds the kind of each text."""
        return self.decoder.decode(scores.logits, kinds, scores.named, self._with_refusals(scores, kinds))

    def decide(self, products: Sequence[tuple[ProductText, Vector]]) -> list[TagSet]:
        """The tags of products whose vectors were kept, in order: as `decode`, without the engine.

        Raises:
            VectorsError: a vector is not one that `vectors` knows.
        """
        kind, named, understood = TextKind.PRODUCT, [], []
        for text, vector in products:
            if vector.reading == self.vectors.reading:
                named.append({kind: frozenset(vector.named)})
                understood.append(Understood(text, language=vector.language))
            else:
                named.append(dict(self.decoder.named(text)))
                understood.append(self.reader.read(text, kind))
        logits = self.vectors.logits([vector for _, vector in products])
        return self.decoder.decode(logits, [kind] * len(products), named, understood)

    def _with_refusals(self, scores: Scores, kinds: Sequence[TextKind]) -> Sequence[Understood] | None:
        """What the texts say; a query that the bundle takes to be about no product is off topic."""
        scope = self.bundle.scope
        if scope is None or scores.on_topic is None or scores.understood is None:
            return scores.understood
        return [
            replace(says, refusal=NoTags.OFF_TOPIC)
            if kind is TextKind.QUERY and says.refusal is None and scope.is_off_topic(float(probability), kind)
            else says
            for says, probability, kind in zip(scores.understood, scores.on_topic, kinds, strict=True)
        ]

    def explain(self, scores: Scores, tags: Sequence[TagSet], kinds: Sequence[TextKind]) -> list[Suggested]:
        """What supports the tags of each text, in order; `tags` is what `decode` made of scores with vectors.

        A tag that only words support for what an accessory fits is moved to REVIEW.
        """
        found = []
        for row, (understood, vectors) in enumerate(zip(scores.understood or (), scores.vectors or (), strict=True)):
            its_tags = tags[row]
            shown = [scored.tag for scored in (*its_tags.tags, *its_tags.review)]
            origins = scores.origins[row] if scores.origins else None
            if origins is None:
                msg = "to be explained, texts have to be encoded with `encode_located`"
                raise ValueError(msg)
            support = self.evidence.support(understood, origins, vectors, shown, self.decoder.wide_strength(kinds[row]))
            if doubted := self.evidence.doubted(understood, support):
                says = replace(understood, doubted=doubted)
                (its_tags,) = self.decoder.decode(
                    scores.logits[row : row + 1], kinds[row : row + 1], scores.named[row : row + 1], [says]
                )
            found.append(Suggested(its_tags, support, understood))
        return found

    def candidates(
        self, scores: Scores, tags: Sequence[TagSet], count: int, kind: TextKind = TextKind.PRODUCT
    ) -> list[Candidates]:
        """The `count` most likely tags of each facet for each text; `tags` is what `decode` made of the scores."""
        return candidates_of(self.bundle.schema, self.decoder.log_confidences(scores.logits, kind), tags, count)


def open_tagger(settings: ModelSettings, *, in_bulk: bool = False) -> Tagger:
    """Load the bundle of the settings and open their engine, both checked and warmed up: a probe is tagged.

    `in_bulk`: for many texts at a time, which may need processes that tokenise (`model.encoders`); close the tagger
    then. The CPU engine is then some per cent faster, and `suggest` and `explain` cannot be used.

    Raises:
        BundleError: the bundle is missing or damaged, or its parts do not fit each other.
        EngineError: the engine is not installed or cannot run here.
        FaultError: tokenizer, engine or decoder fail on the probe.
        EncoderPoolError: the processes that tokenise cannot start.
    """
    tagger = tagger_of(load_bundle(settings.bundle), settings, in_bulk=in_bulk)
    show_bundle(tagger)
    return tagger


def tagger_of(bundle: Bundle, settings: ModelSettings, *, in_bulk: bool = False) -> Tagger:
    """As `open_tagger`, of a bundle that is in memory and that may not be used in the end. Raises the same."""
    give_back()  # before the engine gets its own from between what the bundle left
    short_lane = settings.short_lane and not in_bulk
    engine = open_engine(bundle, settings.engine, settings.threads, not in_bulk, settings.precision, short_lane)
    try:
        tagger = Tagger.of(bundle, engine)
        probe(tagger)
        give_back()
        count = _encoders(settings, engine) if in_bulk else 0
        return tagger.with_encoders(count) if count else tagger
    except BaseException:
        engine.close()
        raise


def show_bundle(tagger: Tagger) -> None:
    """Say in the metrics that this is the bundle in use."""
    metrics.BUNDLE.clear()
    metrics.BUNDLE.labels(tagger.bundle.manifest.name, tagger.bundle.version, tagger.engine.name).set(1)


def _encoders(settings: ModelSettings, engine: Engine) -> int:
    if settings.encoders is not None:
        return settings.encoders
    # A device that computes by itself leaves the cores to the texts, but for the one that feeds it.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(_MOST_ENCODERS, cores - 1)) if engine.cost.at_once > 1 else 0
