"""Logits to tags: calibration, paths, bands, where facets apply, rules. Trainer and servers share it."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band, Calibration, Cut, Thresholds

Logits = NDArray[np.float32]


class Decoder:
    """Turns logits of shape (count, tags) into tags. Holds nothing that changes: safe to share between threads."""

    def __init__(self, schema: TagSchema, calibration: Calibration, thresholds: Thresholds) -> None:
        self._schema = schema
        self._temperatures = calibration.temperatures
        self._cuts = [thresholds.tags[tag] for tag in schema.tags]
        self._paths = [(chain, np.asarray(schema.paths(chain), np.int64)) for chain in schema.chains]
        self._parents = {tag: frozenset(above) for tag, above in schema.parents.items()}
        self._applies_when = {
            facet.name: frozenset(facet.applies_when) for facet in schema.facets if facet.applies_when
        }
        self._blocked = frozenset(schema.blocked)

    def log_confidences(self, logits: Logits) -> Logits:
        """Log of the calibrated probabilities: softmax inside a single facet, a sigmoid each in a multi facet."""
        result = np.empty_like(logits, dtype=np.float32)
        for facet in self._schema.facets:
            where = self._schema.slices[facet.name]
            scaled = logits[:, where].astype(np.float64) / self._temperatures[facet.name]
            if facet.kind is FacetKind.SINGLE:
                shifted = scaled - scaled.max(axis=1, keepdims=True)
                result[:, where] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            else:
                result[:, where] = -np.logaddexp(0.0, -scaled)
        return result

    def chosen(self, log_confidences: Logits) -> dict[str, NDArray[np.int64]]:
        """For each single facet the position in the schema of its one tag, shape (count,).

        Facets that are parents of each other are decided together: the path with the highest sum of log-probabilities
        wins, so a class always stands under its family and its segment.
        """
        result: dict[str, NDArray[np.int64]] = {}
        for chain, paths in self._paths:
            if len(paths):
                best = log_confidences[:, paths].sum(axis=2).argmax(axis=1)
                for depth, facet in enumerate(chain):
                    result[facet.name] = paths[best, depth]
        return result

    def decode(self, logits: Logits) -> list[TagSet]:
        """The tags of each row of logits, shape (count, tags), in order. Not-a-number scores raise ValueError."""
        if not np.isfinite(logits).all():
            msg = "the engine returned scores that are no numbers"
            raise ValueError(msg)
        log_confidences = self.log_confidences(logits)
        chosen = self.chosen(log_confidences)
        confidences = np.exp(log_confidences)
        return [
            self._row({name: int(positions[row]) for name, positions in chosen.items()}, confidences[row])
            for row in range(len(logits))
        ]

    def _row(self, chosen: Mapping[str, int], confidences: NDArray[np.float32]) -> TagSet:
        found: dict[str, ScoredTag] = {}
        for facet in self._schema.facets:
            for position in self._candidates(facet, chosen, confidences):
                tag, confidence = self._schema.tags[position], float(confidences[position])
                band = band_of(confidence, self._cuts[position])
                if band is not Band.REJECT and tag not in self._blocked:
                    found[tag] = ScoredTag(tag, confidence, Source.MODEL, band)
        return self._settled(found)

    def _candidates(self, facet: Facet, chosen: Mapping[str, int], confidences: NDArray[np.float32]) -> Iterable[int]:
        if facet.kind is FacetKind.SINGLE:
            return (chosen[facet.name],) if facet.name in chosen else ()
        where = self._schema.slices[facet.name]
        return (int(at) + where.start for at in np.argsort(-confidences[where], kind="stable"))

    def _settled(self, told: dict[str, ScoredTag]) -> TagSet:
        """What is served of what the model tells. Rules act from tags that are served themselves, and from no others.

        Each turn bars a tag from AUTO and begins again from the model's tags without it, so that what a rule added or
        displaced goes with its cause. A tag without support is barred before any that breaks a rule: it excludes none.
        """
        left, barred, demoted = dict(told), set(self._blocked), dict[str, ScoredTag]()
        while True:
            found = self._implied(left, barred)
            auto = {tag: scored for tag, scored in found.items() if scored.band is Band.AUTO}
            unsupported = next((tag for tag in auto if self._is_unsupported(tag, auto)), None)
            tag = unsupported or next(
                (tag for tag in auto if self._is_groundless(auto[tag], auto) or self._breaks_a_rule(tag, auto)), None
            )
            if tag is None:
                break
            barred.add(tag)
            scored = left.pop(tag, None)
            if unsupported and scored is not None:
                demoted[tag] = ScoredTag(tag, scored.confidence, scored.source, Band.REVIEW)
        taken = {_facet(tag) for tag in found if self._is_single(_facet(tag))}
        demoted = {tag: scored for tag, scored in demoted.items() if _facet(tag) not in taken}
        review = {tag: scored for tag, scored in (found | demoted).items() if scored.band is Band.REVIEW}
        known = auto | review
        while any(self._is_unsupported(tag, known) or self._is_excluded(tag, auto) for tag in review):
            review = {
                tag: scored
                for tag, scored in review.items()
                if not self._is_unsupported(tag, known) and not self._is_excluded(tag, auto)
            }
            known = auto | review
        return TagSet(self._in_order(auto), self._in_order(review))

    def _implied(self, told: dict[str, ScoredTag], barred: Collection[str]) -> dict[str, ScoredTag]:
        found, implications = dict(told), [rule for rule in self._schema.rules if rule.kind == "implies"]
        for _ in implications:  # a chain of implications is no longer than there are
            for rule in implications:
                cause, effect = found.get(rule.when), found.get(rule.then)
                if cause is None or cause.band is not Band.AUTO or rule.then in barred:
                    continue
                if effect is None or effect.band is not Band.AUTO:
                    facet = _facet(rule.then)
                    if self._is_single(facet):  # what a rule says takes the place of what the model says
                        found = {tag: scored for tag, scored in found.items() if not tag.startswith(f"{facet}:")}
                    found[rule.then] = ScoredTag(rule.then, cause.confidence, Source.RULE, Band.AUTO)
        return found

    def _is_single(self, name: str) -> bool:
        return any(facet.name == name and facet.kind is FacetKind.SINGLE for facet in self._schema.facets)

    def _is_unsupported(self, tag: str, known: Mapping[str, ScoredTag]) -> bool:
        """The tag's parent or what makes its facet apply is not among the known ones."""
        parents, needs = self._parents.get(tag), self._applies_when.get(_facet(tag))
        return bool((parents and not parents & known.keys()) or (needs and not needs & known.keys()))

    def _is_groundless(self, scored: ScoredTag, auto: Mapping[str, ScoredTag]) -> bool:
        """A rule added it, and no cause of it is served. One of its own single facet is not: it took its place."""
        if scored.source is not Source.RULE:
            return False
        causes = {rule.when for rule in self._schema.rules if rule.kind == "implies" and rule.then == scored.tag}
        facet = _facet(scored.tag)
        took_its_place = self._is_single(facet) and facet in map(_facet, causes)
        return not took_its_place and not causes & auto.keys()

    def _breaks_a_rule(self, tag: str, auto: Mapping[str, ScoredTag]) -> bool:
        lacks = any(
            rule.kind == "implies" and rule.when == tag and rule.then not in auto for rule in self._schema.rules
        )
        return lacks or self._is_excluded(tag, auto)

    def _is_excluded(self, tag: str, auto: Mapping[str, ScoredTag]) -> bool:
        return any(rule.kind == "excludes" and rule.then == tag and rule.when in auto for rule in self._schema.rules)

    def _in_order(self, scored: Mapping[str, ScoredTag]) -> tuple[ScoredTag, ...]:
        order = {facet.name: place for place, facet in enumerate(self._schema.facets)}
        return tuple(sorted(scored.values(), key=lambda each: (order[_facet(each.tag)], -each.confidence, each.tag)))


def _facet(tag: str) -> str:
    return tag.split(":", 1)[0]


def band_of(confidence: float, cut: Cut) -> Band:
    """The band of a confidence."""
    if confidence >= cut.auto:
        return Band.AUTO
    return Band.REVIEW if confidence >= cut.review else Band.REJECT
