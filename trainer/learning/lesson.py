"""Texts with and without new tags, as the bundle sees them: what the tags are learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from hangtag.bundle import Bundle
from hangtag.engine import open_engine
from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.learning.new_tags import LearnTagError, NewTags
from hangtag.trainer.learning.rows import Flags, Floats, Rows, fit_multi, fit_single

MIN_EXAMPLES = 8
_REVIEW = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """The texts of a lesson, of which `fits`, (texts, new tags), says which of the new tags fits.

    `schema` has the new tags. `vectors`, (texts, hidden), are the head's inputs, and `logits`, (texts, old tags), the
    bundle's scores.
    """

    bundle: Bundle
    new: NewTags
    schema: TagSchema
    texts: Sequence[ProductText]
    fits: Flags
    vectors: Floats
    logits: Logits

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        new: NewTags,
        examples: Sequence[tuple[ProductText, frozenset[str]]],
        against: Sequence[ProductText],
    ) -> Self:
        """The lesson of `examples`, each with those of the new tags that fit, and of texts that none of them fits.

        Raises:
            LearnTagError: the tags cannot be added to the bundle's schema, or there are too few texts.
        """
        schema = new.added_to(bundle.schema)
        needed = 1 if new.is_guess else MIN_EXAMPLES
        for tag in new.tags:
            count = len({text for text, tags in examples if tag in tags})
            if count < needed or len(against) < MIN_EXAMPLES:
                msg = (
                    f"{tag} needs {needed} different examples and {MIN_EXAMPLES} products without the tag; there are "
                    f"{count} and {len(against)}"
                )
                raise LearnTagError(msg)
        texts = [*(text for text, _ in examples), *against]
        fits = np.zeros((len(texts), len(new.tags)), bool)
        for row, (_, tags) in enumerate(examples):
            fits[row] = [tag in tags for tag in new.tags]
        return cls(bundle, new, schema, texts, fits, _vectors(bundle, texts), _logits(bundle, texts))

    @property
    def at(self) -> int:
        """The position of the first new tag in the schema; the others follow it."""
        return self.schema.index[self.new.tags[0]]

    @property
    def facet(self) -> Facet:
        """The facet with the new tags."""
        return next(facet for facet in self.schema.facets if facet.name == self.new.facet)

    @property
    def calibration(self) -> KeyedCalibration:
        """The bundle's, with the temperature 1 for a new facet."""
        return self.bundle.calibration.map(
            lambda entry: Calibration(
                temperatures={self.new.facet: 1.0, **entry.temperatures}, wide_strength=entry.wide_strength
            )
        )

    @property
    def thresholds(self) -> KeyedThresholds:
        """The bundle's; new tags are never AUTO, because a few examples are not enough for a promise.

        In a new single facet they are REVIEW from halfway between the same confidence for every tag and certainty on.
        """
        count = len(self.facet.values)
        is_new_single = self.facet.kind is FacetKind.SINGLE and count == len(self.new.values)
        review_only = TagThresholds(auto=1.01, review=(1 + 1 / count) / 2 if is_new_single else _REVIEW)
        return self.bundle.thresholds.map(
            lambda entry: Thresholds(
                tags={tag: entry.tags.get(tag, review_only) for tag in self.schema.tags},
                words=entry.words,
                languages=entry.languages,
            )
        )

    def rows(self, learnt_from: Sequence[int] | None = None) -> Rows:
        """The head's rows for the new tags, learnt from all texts or from some of them."""
        which = np.arange(len(self.texts)) if learnt_from is None else np.asarray(learnt_from)
        temperature = self.calibration.entry(TextKind.PRODUCT).temperatures[self.new.facet]
        if self.facet.kind is FacetKind.MULTI:
            found = fit_multi(self.vectors[which], self.fits[which])
        else:
            others = self.bundle.schema.slices.get(self.new.facet)
            rest = None
            if others is not None:
                rest = logsumexp(self.logits[which, others].astype(np.float64) / temperature, axis=1)
            found = fit_single(self.vectors[which], self.fits[which], rest)
        return Rows(found.weights * temperature, found.biases * temperature)

    def tagged(self, rows: Rows, which: Sequence[int]) -> list[TagSet]:
        """What a bundle with these rows serves for some of the texts."""
        scores = rows.scores(self.vectors[which]).astype(np.float32)
        logits = np.insert(self.logits[which], [self.at] * scores.shape[1], scores, axis=1)
        decoder = Decoder(self.schema, self.calibration, self.thresholds)
        named = [decoder.named(self.texts[at]) for at in which]
        return decoder.decode(logits, [TextKind.PRODUCT] * len(which), named)


def _logits(bundle: Bundle, texts: Sequence[ProductText]) -> NDArray[np.float32]:
    engine = open_engine(bundle, "cpu")
    try:
        return engine.forward(bundle.tokenizer(texts))[:, : len(bundle.schema.tags)]
    finally:
        engine.close()


def _vectors(bundle: Bundle, texts: Sequence[ProductText]) -> Floats:
    """The head's input for each text, of shape (texts, hidden): the engine's output with an identity matrix as head."""
    hidden = bundle.manifest.encoder.hidden
    identity = Facet(name="vector", kind=FacetKind.MULTI, values=tuple(map(str, range(hidden))))
    weights = replace(
        bundle.weights,
        head_weight=np.eye(hidden, dtype=np.float32),
        head_bias=np.zeros(hidden, np.float32),
        wide=None,
    )
    plain = replace(bundle, schema=TagSchema(facets=(identity,)), weights=weights, scope=None)
    return _logits(plain, texts).astype(np.float64)
