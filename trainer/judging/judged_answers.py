"""How a bundle answers judged texts: its top answers, what it serves, and what it must not serve."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hangtag.tagger.tagger import Tagger
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.text.understood import NoTags
from hangtag.trainer.data.judged import JudgedText
from hangtag.trainer.judging.evaluate import EvaluationError
from hangtag.trainer.judging.shares import Change, Counted, Counts, Share, resamples

ALL = "all"
_BATCH = 100
# Measures that are not of one facet.
NEGATED, NEGATED_SHOWN = "negated, served", "negated, in review"
UNNAMED = "not named, served"
OUTSIDE = "no product or unknown language, served"
UNANSWERED = "about a product, no tag at all"
REFUSED = "about a product, refused"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of one kind of texts. `change` is the difference to the other bundle, if there is one."""

    name: str
    share: Share
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A judged text and what the bundle answers: by facet the top tag's value and the AUTO tags' values, and all tags.

    `shown` are the tags in AUTO and REVIEW, `auto` those in AUTO. `is_refused`: there are no tags, for another reason
    than low confidence.
    """

    text: JudgedText
    top: Mapping[str, str]
    served: Mapping[str, tuple[str, ...]]
    shown: frozenset[str]
    auto: frozenset[str]
    is_refused: bool

    @property
    def wrong(self) -> list[str]:
        """The judged facets whose top tag is not acceptable; a facet without a tag is wrong if a tag is right."""
        acceptable = self.text.acceptable.items()
        return [facet for facet, values in acceptable if self.top.get(facet, "") not in (values or ("",))]

    def to_json(self) -> dict[str, Any]:
        """The judged text with `top`, `served` and `wrong`."""
        return {**self.text.model_dump(), "top": self.top, "served": self.served, "wrong": self.wrong}


@dataclass(frozen=True, slots=True)
class QueryEvaluation:
    """The measures by kind of text (and for all texts), in order; `missing` are judged facets that the bundle lacks.

    `answers` are those of the bundle to the texts, in order.

    For a facet, "right" counts texts whose top tag is acceptable, in REVIEW or AUTO; "served" counts texts with an AUTO
    tag; "served, right" is the share of those tags that are acceptable. All are of texts about a product.
    """

    kinds: Mapping[str, Sequence[Measure]]
    texts: Mapping[str, int]
    missing: Sequence[str]
    answers: Sequence[Answered]

    def to_json(self) -> dict[str, Any]:
        """Plain values without the answers; an interval of nothing is null."""
        kinds = {kind: [asdict(measure) for measure in measures] for kind, measures in self.kinds.items()}
        values: dict[str, Any] = _plain({"kinds": kinds, "texts": self.texts, "missing": self.missing})
        return values


def evaluate_queries(
    tagger: Tagger,
    texts: Sequence[JudgedText],
    against: Tagger | None = None,
    on_text: Callable[[int], None] = lambda _: None,
) -> QueryEvaluation:
    """Let the bundle answer the texts as `SuggestTags` does, each as a query, and compare with the judgements.

    With `against`, each measure has its change from that bundle to `tagger`'s, on the facets that both have. `on_text`
    is called with the number of texts of each batch.

    Raises:
        EvaluationError: no text is judged for a facet of the bundle.
    """
    judged = list(dict.fromkeys(facet for text in texts for facet in text.acceptable))
    bundles = [tagger] if against is None else [tagger, against]
    facets = [name for name in judged if all(name in each.bundle.schema.slices for each in bundles)]
    if not facets:
        msg = f"no text is judged for a facet of the bundle; the texts are judged for {', '.join(judged)}"
        raise EvaluationError(msg)
    answered = [_answers(each, texts, on_text) for each in bundles]
    kinds: list[str] = list(dict.fromkeys(text.kind for text in texts))
    places = {kind: [at for at, text in enumerate(texts) if text.kind == kind] for kind in kinds}
    places |= {ALL: list(range(len(texts)))} if len(kinds) > 1 else {}
    measures = {
        kind: _measures([[each[at] for at in its_places] for each in answered], facets)
        for kind, its_places in places.items()
    }
    missing = [name for name in judged if name not in facets]
    return QueryEvaluation(measures, {kind: len(its) for kind, its in places.items()}, missing, answered[0])


def _answers(tagger: Tagger, texts: Sequence[JudgedText], on_text: Callable[[int], None]) -> list[Answered]:
    result: list[Answered] = []
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        suggested = tagger.suggest([text.text for text in some], TextKind.QUERY)
        result += [_answered(text, each.tags) for text, each in zip(some, suggested, strict=True)]
        on_text(len(some))
    return result


def _answered(text: JudgedText, tags: TagSet) -> Answered:
    served: dict[str, tuple[str, ...]] = {}
    for scored in tags.tags:
        facet = facet_of(scored.tag)
        served[facet] = (*served.get(facet, ()), value_of(scored.tag))
    top: dict[str, str] = {}
    for scored in (*tags.tags, *tags.review):
        top.setdefault(facet_of(scored.tag), value_of(scored.tag))
    auto = frozenset(scored.tag for scored in tags.tags)
    is_refused = tags.no_tags not in {None, NoTags.LOW_CONFIDENCE}
    return Answered(text, top, served, auto | {scored.tag for scored in tags.review}, auto, is_refused)


def _measures(answered: Sequence[Sequence[Answered]], facets: Sequence[str]) -> list[Measure]:
    counted = [_counted(each, facets) for each in answered]
    weights = resamples(len(answered[0]))
    now, *others = counted
    return [
        Measure(name, its.share(weights), its.minus(others[0][name], weights) if others else None)
        for name, its in now.items()
        if its.of.any() or (others and others[0][name].of.any())
    ]


def _counted(answered: Sequence[Answered], facets: Sequence[str]) -> dict[str, Counted]:
    about = [each.text.is_in_domain for each in answered]
    result: dict[str, Counted] = {}
    for facet in facets:
        named = [bool(each.text.acceptable.get(facet)) for each in answered]
        sure = [is_named and not each.text.accepts(facet, "") for is_named, each in zip(named, answered, strict=True)]
        result[f"{facet}: right"] = _of(
            sure, (each.top.get(facet) in each.text.acceptable.get(facet, ()) for each in answered)
        )
        result[f"{facet}: served"] = _of(sure, (bool(each.served.get(facet)) for each in answered))
        served = [each.served.get(facet, ()) if is_it else () for is_it, each in zip(named, answered, strict=True)]
        right = [
            sum(each.text.accepts(facet, value) for value in its) for its, each in zip(served, answered, strict=True)
        ]
        result[f"{facet}: served, right"] = Counted(_floats(right), _floats(map(len, served)))
    unnamed = [_unnamed(each.text, facets) if is_it else set() for is_it, each in zip(about, answered, strict=True)]
    result[UNNAMED] = _of(map(bool, unnamed), (_serves(each, its) for each, its in zip(answered, unnamed, strict=True)))
    negated = [bool(each.text.never) for each in answered]
    result[NEGATED] = _of(negated, (not each.auto.isdisjoint(each.text.never) for each in answered))
    in_review = (not (each.shown - each.auto).isdisjoint(each.text.never) for each in answered)
    result[NEGATED_SHOWN] = _of(negated, in_review)
    result[OUTSIDE] = _of((not is_it for is_it in about), (_serves(each, each.text.acceptable) for each in answered))
    result[UNANSWERED] = _of(about, (not each.shown for each in answered))
    result[REFUSED] = _of(about, (each.is_refused for each in answered))
    return result


def _unnamed(text: JudgedText, facets: Iterable[str]) -> set[str]:
    """The facets of which no tag is right; those of negated tags are counted by themselves."""
    return {facet for facet in facets if text.acceptable.get(facet) == ()} - set(map(facet_of, text.never))


def _serves(answered: Answered, facets: Iterable[str]) -> bool:
    return any(answered.served.get(facet) for facet in facets)


def _of(counts: Iterable[bool], hits: Iterable[bool]) -> Counted:
    of = _floats(counts)
    return Counted(_floats(hits) * of, of)


def _floats(values: Iterable[float]) -> Counts:
    return np.array(list(values), np.float64)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and np.isnan(value) else value
