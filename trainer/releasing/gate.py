"""The release gate: what must hold before a candidate takes the current bundle's place."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

from hangtag.bundle import Bundle
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.releasing.compare import Comparison, compare

_ROUNDS = 5
_TIMED = 256
# A tag's loss counts when it is so unlikely to be chance.
_CHANCE = 0.05
_CONFIDENCE = 0.95


class Limits(BaseModel):
    """What a candidate may lose at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: float = Field(default=0.5, ge=0, description="points of a facet's F1")
    mean_loss: float = Field(
        default=1.0, ge=0, description="points of mean F1 over the tags that both know and 5 products or more carry"
    )
    tag_loss: float = Field(default=5.0, ge=0, description="points of a tag's F1")
    coverage_loss: float = Field(default=5.0, ge=0, description="points of a facet's AUTO coverage, of all products")
    slowdown: float = Field(default=0.1, ge=0, description="part of the texts per second")
    megabytes: float = Field(default=40.0, gt=0)
    allow_missing: bool = Field(default=False, description="whether tags of the current bundle may be gone")
    allow_weaker_promise: bool = Field(default=False, description="whether AUTO may promise less precision")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured; `refused` holds the reasons against, `warnings` what the data cannot tell."""

    compared: Comparison
    speed: float
    megabytes: tuple[float, float]
    missing: Sequence[str]
    new: Sequence[str]
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        others = {name: value for name, value in asdict(self).items() if name != "compared"}
        return asdict(self.compared) | others


def judge_release(
    current: Tagger,
    candidate: Tagger,
    products: Sequence[LabelledProduct],
    megabytes: tuple[float, float],
    limits: Limits,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Compare both on the same products and name every reason against the candidate.

    `megabytes` are what the folders of current and candidate hold.

    Raises:
        ValueError: the products tell nothing of what both bundles know.
    """
    on_stage("Tagging the products with both")
    compared = compare(current, candidate, products)
    on_stage("Timing both in turns")
    known, offered = set(current.bundle.schema.tags), set(candidate.bundle.schema.tags)
    verdict = Verdict(
        compared,
        _speed(current, candidate, products),
        megabytes,
        sorted(known - offered),
        sorted(offered - known),
    )
    _judge_quality(verdict, limits)
    _judge_coverage(verdict, limits)
    _judge_promise(verdict, current.bundle, candidate.bundle, limits)
    if verdict.missing and not limits.allow_missing:
        names = ", ".join(verdict.missing[:3])
        verdict.refused.append(f"{len(verdict.missing)} tags are gone ({names}): train with them, or --allow-missing")
    if verdict.speed < 1 - limits.slowdown:
        verdict.refused.append(
            f"it tags at {verdict.speed:.2f} of the current speed: cut layers, max_tokens or the wide part"
        )
    if verdict.megabytes[1] > limits.megabytes:
        verdict.refused.append(f"it has {verdict.megabytes[1]:.1f} MB, more than {limits.megabytes:g}")
    return verdict


def _judge_quality(verdict: Verdict, limits: Limits) -> None:
    shared = verdict.compared.shared
    # Chance is no excuse here: a bundle that may have forgotten is trained again, with more of the old products.
    if shared is not None and -shared.points > limits.mean_loss:
        verdict.refused.append(
            f"the tags that both know: mean F1 {shared.points:+.2f} points ({shared.low:+.2f} to {shared.high:+.2f}), "
            f"more than {limits.mean_loss:g} lost: train with more of the old products, or distil the old bundle"
        )
    for facet in verdict.compared.facets:
        for name, f1 in (("F1", facet.f1), ("macro F1", facet.macro_f1)):
            if -f1.points > limits.loss:
                told = f"{facet.facet}: {name} {f1.points:+.2f} points ({f1.low:+.2f} to {f1.high:+.2f})"
                if f1.high < 0:
                    verdict.refused.append(f"{told}, more than {limits.loss:g} lost")
                else:
                    verdict.warnings.append(f"{told}: {facet.products:,} products cannot tell whether that is chance")
        for tag in facet.tags:
            if tag.q < _CHANCE and -tag.f1.points > limits.tag_loss:
                verdict.refused.append(f"{tag.tag}: F1 {tag.f1.points:+.1f} points, more than {limits.tag_loss:g} lost")


def _judge_coverage(verdict: Verdict, limits: Limits) -> None:
    labelled = {facet.facet for facet in verdict.compared.facets}
    for facet, (now, new) in verdict.compared.coverage.items():
        lost = 100 * (now - new)
        if lost > limits.coverage_loss:
            verdict.refused.append(
                f"{facet}: AUTO on {new:.1%} of the products, now {now:.1%}: more than {limits.coverage_loss:g} points "
                "lost"
            )
        if facet not in labelled:
            verdict.warnings.append(f"{facet}: no product is labelled for it, so whether it got worse is not known")


def _judge_promise(verdict: Verdict, current: Bundle, candidate: Bundle, limits: Limits) -> None:
    now, promised = (each.manifest.metrics.get("promise", {}).get("precision") for each in (current, candidate))
    if now is not None and (promised is None or promised < now) and not limits.allow_weaker_promise:
        less = "nothing" if promised is None else f"{promised:.0%}"
        verdict.refused.append(
            f"it promises {less} of its AUTO tags to be right, now {now:.0%} are promised: train with that "
            "auto_precision, or --allow-weaker-promise"
        )
    if promised is None:
        verdict.warnings.append("its manifest promises no precision of AUTO tags")
        return
    for facet, served in verdict.compared.served.items():
        # Clopper and Pearson 1934: the precision that these mistakes would still leave likely.
        if served.tags and beta.ppf(_CONFIDENCE, served.right + 1, max(served.tags - served.right, 1e-9)) < promised:
            share = served.right / served.tags
            verdict.refused.append(
                f"{facet}: {share:.1%} of {served.tags:,} AUTO tags are right, {promised:.0%} are promised: set "
                "thresholds anew on newer validation products"
            )


def _speed(current: Tagger, candidate: Tagger, products: Sequence[LabelledProduct]) -> float:
    """Candidate's texts a second against current's: median over rounds in which they take turns."""
    texts = [product.text for product in products[:_TIMED]]
    ratios = []
    for _ in range(_ROUNDS + 1):
        seconds = []
        for tagger in (current, candidate):
            started = time.perf_counter()
            tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])
    # The first round warms up.
    return statistics.median(ratios[1:])
