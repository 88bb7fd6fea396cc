"""Logits to tags: calibration, paths, bands, where facets apply, rules. Trainer and servers share it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.naming import Naming, naming_of
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import (
    Band,
    Calibration,
    KeyedCalibration,
    KeyedThresholds,
    TagThresholds,
    Thresholds,
)
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.understood import UNREAD, Understood

# The tags of attribute facets that a text names, for each kind that the text may be.
Named = Mapping[TextKind, frozenset[str]]

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Temperature of each facet, thresholds of each tag in score order, and attribute facets, for one kind of text.

    `review` are the lower ones of the thresholds.
    """

    temperatures: Mapping[str, float]
    thresholds: Sequence[TagThresholds]
    attributes: frozenset[str]
    review: NDArray[np.float64]


class Decoder:
    """Turns logits of shape (count, tags) into tags. Immutable: threads may share it."""

    def __init__(self, schema: TagSchema, calibration: KeyedCalibration, thresholds: KeyedThresholds) -> None:
        self._schema = schema
        entries: dict[tuple[int, int], _Entry] = {}
        namings: list[tuple[Mapping[str, Sequence[str]], Naming]] = []
        self._entries: dict[TextKind, _Entry] = {}
        self._namings: dict[TextKind, Naming] = {}
        for kind in TextKind:
            its_calibration, its_thresholds = calibration.entry(kind), thresholds.entry(kind)
            # Kinds that share their values share one entry, so that their rows are decoded together.
            self._entries[kind] = entries.setdefault(
                (id(its_calibration), id(its_thresholds)),
                _Entry(
                    its_calibration.temperatures,
                    [its_thresholds.tags[tag] for tag in schema.tags],
                    its_thresholds.attributes,
                    np.array([its_thresholds.tags[tag].review for tag in schema.tags], np.float64),
                ),
            )
            if words := its_thresholds.words:
                # Kinds with the same words share a naming, so that a text is searched once.
                naming = next((found for its, found in namings if its == words), None) or naming_of(schema, words)
                namings.append((words, naming))
                self._namings[kind] = naming
        self._wide_strengths = {kind: calibration.entry(kind).wide_strength for kind in TextKind}
        self._paths = [(chain, np.asarray(schema.paths(chain), np.int64)) for chain in schema.chains]
        self._parents = {tag: frozenset(above) for tag, above in schema.parents.items()}
        self._applies_when = {
            facet.name: frozenset(facet.applies_when) for facet in schema.facets if facet.applies_when
        }
        self._blocked = frozenset(schema.blocked)

    @classmethod
    def for_products(cls, schema: TagSchema, calibration: Calibration, thresholds: Thresholds) -> Self:
        """A decoder that uses the values for product texts for every kind of text."""
        return cls(schema, KeyedCalibration.of_products(calibration), KeyedThresholds.of_products(thresholds))

    def log_confidences(self, logits: Logits, kind: TextKind = TextKind.PRODUCT) -> Logits:
        """Log of the calibrated probabilities of texts of one kind, same shape.

        Softmax over the tags of a single facet, a sigmoid for each tag of a multi facet.
        """
        return self._log_confidences(logits, self._entries[kind])

    def chosen(self, log_confidences: Logits) -> dict[str, NDArray[np.int64]]:
        """For each single facet the position in the schema of its one tag, shape (count,).

        Facets that are parents of each other are decided together: the path with the highest sum of log-probabilities
        wins, so a class is always a child of the family and segment that are chosen with it.
        """
        result: dict[str, NDArray[np.int64]] = {}
        for chain, paths in self._paths:
            if len(paths):
                best = log_confidences[:, paths].sum(axis=2).argmax(axis=1)
                for depth, facet in enumerate(chain):
                    result[facet.name] = paths[best, depth]
        return result

    def named(self, text: ProductText) -> Named:
        """The tags of attribute facets that a text names: what `decode` needs to know about the text itself."""
        found = {id(naming): naming.named(text) for naming in self._namings.values()}
        return {kind: found[id(naming)] for kind, naming in self._namings.items()}

    def wide_strength(self, kind: TextKind) -> float:
        """The factor on the scores of the wide part for this kind of text."""
        return self._wide_strengths[kind]

    def decode(
        self,
        logits: Logits,
        kinds: Sequence[TextKind],
        named: Sequence[Named] | None = None,
        understood: Sequence[Understood] | None = None,
    ) -> list[TagSet]:
        """The tags of each row of logits, shape (count, tags), in order.

        `kinds` holds the kind of each row's text, `named` what its text names; it may be left out if no facet is an
        attribute facet. `understood` is what each text says: one with a refusal has no tags, and none has a tag that it
        excludes.

        Raises:
            ValueError: a score is not finite, there is not one kind per row, or `named` is missing.
        """
        if not np.isfinite(logits).all():
            msg = "the engine returned scores that are not finite numbers"
            raise ValueError(msg)
        if len(kinds) != len(logits):
            msg = f"{len(logits)} rows of scores need as many kinds of text, not {len(kinds)}"
            raise ValueError(msg)
        texts: Sequence[Named] = [{}] * len(kinds) if named is None else named
        if len(texts) != len(kinds) or (named is None and self._namings):
            msg = f"{len(kinds)} rows of scores need as many sets of named tags, as `named` returns them"
            raise ValueError(msg)
        entries = [self._entries[kind] for kind in kinds]
        log_confidences = self._calibrated(logits, entries)
        chosen = self.chosen(log_confidences)
        confidences = np.exp(log_confidences)
        says = [UNREAD] * len(kinds) if understood is None else understood
        if len(says) != len(kinds):
            msg = f"{len(kinds)} rows of scores need as many understood texts, not {len(says)}"
            raise ValueError(msg)
        return [
            self._row(
                {name: int(positions[row]) for name, positions in chosen.items()},
                confidences[row],
                entry,
                texts[row].get(kinds[row], frozenset()),
                says[row],
            )
            for row, entry in enumerate(entries)
        ]

    def _calibrated(self, logits: Logits, entries: Sequence[_Entry]) -> Logits:
        """Log-confidences of rows with different entries: one pass per entry."""
        different = {id(entry): entry for entry in entries}
        if len(different) == 1:
            return self._log_confidences(logits, entries[0])
        result = np.empty_like(logits, dtype=np.float32)
        ids = np.fromiter(map(id, entries), np.uint64, len(entries))
        for number, entry in different.items():
            rows = np.flatnonzero(ids == number)
            result[rows] = self._log_confidences(logits[rows], entry)
        return result

    def _log_confidences(self, logits: Logits, entry: _Entry) -> Logits:
        result = np.empty_like(logits, dtype=np.float32)
        for facet in self._schema.facets:
            where = self._schema.slices[facet.name]
            scaled = logits[:, where].astype(np.float64) / entry.temperatures[facet.name]
            if facet.kind is FacetKind.SINGLE:
                shifted = scaled - scaled.max(axis=1, keepdims=True)
                result[:, where] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            else:
                result[:, where] = -np.logaddexp(0.0, -scaled)
        return result

    def _row(
        self,
        chosen: Mapping[str, int],
        confidences: NDArray[np.float32],
        entry: _Entry,
        named: Collection[str],
        says: Understood,
    ) -> TagSet:
        if says.refusal is not None:
            return TagSet((), (), says.refusal, says.language)
        barred = self._blocked.union(says.excluded)
        found: dict[str, ScoredTag] = {}
        for facet in self._schema.facets:
            for position in self._candidates(facet, chosen, confidences, entry):
                tag, confidence = self._schema.tags[position], float(confidences[position])
                band = entry.thresholds[position].band(confidence)
                is_unnamed = facet.name in entry.attributes and tag not in named
                if band is Band.AUTO and (is_unnamed or tag in says.doubted):
                    band = Band.REVIEW
                if band is not Band.REJECT and tag not in barred:
                    found[tag] = ScoredTag(tag, confidence, Source.MODEL, band)
        return replace(self._served(found, barred), language=says.language)

    def _candidates(
        self, facet: Facet, chosen: Mapping[str, int], confidences: NDArray[np.float32], entry: _Entry
    ) -> Iterable[int]:
        """The positions of tags that may be in AUTO or REVIEW."""
        if facet.kind is FacetKind.SINGLE:
            return (chosen[facet.name],) if facet.name in chosen else ()
        where = self._schema.slices[facet.name]
        found = confidences[where]
        at_least = np.flatnonzero(found >= entry.review[where])
        return (at_least[np.argsort(-found[at_least], kind="stable")] + where.start).tolist() if len(at_least) else ()

    def _served(self, predicted: dict[str, ScoredTag], never: Collection[str]) -> TagSet:
        """Apply parents, facets and rules to the predicted tags. Only a tag that is served itself triggers a rule.

        No rule adds a tag of `never`.

        Each turn bars one tag from AUTO and starts again from the predicted tags without it, so that whatever a rule
        added or displaced disappears with its cause. Tags without support are barred first: they exclude nothing.
        """
        remaining, barred, demoted = dict(predicted), set(never), dict[str, ScoredTag]()
        while True:
            found = self._with_implied(remaining, barred)
            auto = {tag: scored for tag, scored in found.items() if scored.band is Band.AUTO}
            unsupported = next((tag for tag in auto if self._is_unsupported(tag, auto)), None)
            tag = unsupported or next(
                (tag for tag in auto if self._lost_its_cause(auto[tag], auto) or self._breaks_a_rule(tag, auto)), None
            )
            if tag is None:
                break
            barred.add(tag)
            scored = remaining.pop(tag, None)
            if unsupported and scored is not None:
                demoted[tag] = ScoredTag(tag, scored.confidence, scored.source, Band.REVIEW)
        taken = {facet_of(tag) for tag in found if self._is_single(facet_of(tag))}
        demoted = {tag: scored for tag, scored in demoted.items() if facet_of(tag) not in taken}
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

    def _with_implied(self, predicted: dict[str, ScoredTag], barred: Collection[str]) -> dict[str, ScoredTag]:
        found, implications = dict(predicted), [rule for rule in self._schema.rules if rule.kind == "implies"]
        for _ in implications:  # a chain is at most as long as the number of implications
            for rule in implications:
                cause, effect = found.get(rule.when), found.get(rule.then)
                if cause is None or cause.band is not Band.AUTO or rule.then in barred:
                    continue
                if effect is None or effect.band is not Band.AUTO:
                    facet = facet_of(rule.then)
                    if self._is_single(facet):  # the implied tag replaces the predicted one
                        found = {tag: scored for tag, scored in found.items() if facet_of(tag) != facet}
                    found[rule.then] = ScoredTag(rule.then, cause.confidence, Source.RULE, Band.AUTO)
        return found

    def _is_single(self, name: str) -> bool:
        return any(facet.name == name and facet.kind is FacetKind.SINGLE for facet in self._schema.facets)

    def _is_unsupported(self, tag: str, known: Mapping[str, ScoredTag]) -> bool:
        """Neither a parent of the tag nor a tag that makes its facet apply is known, where either is needed."""
        parents, needs = self._parents.get(tag), self._applies_when.get(facet_of(tag))
        return bool((parents and parents.isdisjoint(known)) or (needs and needs.isdisjoint(known)))

    def _lost_its_cause(self, scored: ScoredTag, auto: Mapping[str, ScoredTag]) -> bool:
        """A rule added the tag and none of its causes is served, except a cause that it replaced in a single facet."""
        if scored.source is not Source.RULE:
            return False
        causes = {rule.when for rule in self._schema.rules if rule.kind == "implies" and rule.then == scored.tag}
        facet = facet_of(scored.tag)
        replaced_its_cause = self._is_single(facet) and facet in map(facet_of, causes)
        return not replaced_its_cause and not causes & auto.keys()

    def _breaks_a_rule(self, tag: str, auto: Mapping[str, ScoredTag]) -> bool:
        lacks = any(
            rule.kind == "implies" and rule.when == tag and rule.then not in auto for rule in self._schema.rules
        )
        return lacks or self._is_excluded(tag, auto)

    def _is_excluded(self, tag: str, auto: Mapping[str, ScoredTag]) -> bool:
        return any(rule.kind == "excludes" and rule.then == tag and rule.when in auto for rule in self._schema.rules)

    def _in_order(self, scored: Mapping[str, ScoredTag]) -> tuple[ScoredTag, ...]:
        order = {facet.name: place for place, facet in enumerate(self._schema.facets)}
        return tuple(sorted(scored.values(), key=lambda each: (order[facet_of(each.tag)], -each.confidence, each.tag)))
