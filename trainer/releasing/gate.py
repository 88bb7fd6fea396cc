"""The release gate: the conditions under which a candidate may replace the current bundle."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

from hangtag.bundle import Bundle
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.releasing.compare import Comparison, ServedTags, compare

_ROUNDS = 5
_TIMED = 256
# A tag's loss is significant if its adjusted p-value is below this.
_SIGNIFICANCE = 0.05
_CONFIDENCE = 0.95


class Limits(BaseModel):
    """The limits that a candidate must keep; losses are relative to the current bundle.

    The least F1 is asked of a first release, which there is no current bundle to compare with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: float = Field(default=0.5, ge=0, description="points of a facet's F1")
    mean_loss: float = Field(
        default=1.0, ge=0, description="points of mean F1 over the tags that both bundles have with 5 products or more"
    )
    tag_loss: float = Field(default=5.0, ge=0, description="points of a tag's F1")
    coverage_loss: float = Field(default=5.0, ge=0, description="points of a facet's AUTO coverage of all products")
    slowdown: float = Field(default=0.1, ge=0, description="share of the texts per second")
    megabytes: float = Field(default=40.0, gt=0)
    least_f1: float = Field(default=50.0, ge=0, le=100, description="F1 of each facet of a first release, in percent")
    allow_missing: bool = Field(default=False, description="whether tags may be removed")
    allow_weaker_promise: bool = Field(default=False, description="whether AUTO may promise a lower precision")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's result: the candidate passes if `refused`, the list of reasons against it, is empty.

    `warnings` are what the data is too small or not labelled to decide. `speed` is the candidate's texts per second
    divided by the current bundle's; `megabytes` are the sizes of both; `missing` and `new` are tags that only the
    current bundle or only the candidate has.
    """

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


def check_release(
    current: Tagger,
    candidate: Tagger,
    products: Sequence[LabelledProduct],
    megabytes: tuple[float, float],
    limits: Limits,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Compare both bundles on the same products and list every reason against the candidate.

    `megabytes` are the sizes of the current and the candidate's folder.

    Raises:
        EvaluationError: no product is labelled for a facet that both bundles have.
    """
    on_stage("Tagging the products with both bundles")
    compared = compare(current, candidate, products)
    on_stage("Timing both bundles in turns")
    known, offered = set(current.bundle.schema.tags), set(candidate.bundle.schema.tags)
    verdict = Verdict(
        compared,
        _speed(current, candidate, products),
        megabytes,
        sorted(known - offered),
        sorted(offered - known),
    )
    _check_quality(verdict, limits)
    _check_coverage(verdict, limits)
    _check_promise(verdict, current.bundle, candidate.bundle, limits)
    if verdict.missing and not limits.allow_missing:
        names = ", ".join(verdict.missing[:3])
        verdict.refused.append(
            f"{len(verdict.missing)} tags are missing ({names}): train with them, or use --allow-missing"
        )
    if verdict.speed < 1 - limits.slowdown:
        verdict.refused.append(
            f"it tags at {verdict.speed:.2f} times the current speed: reduce layers, max_tokens or the wide part"
        )
    verdict.refused.extend(too_large(verdict.megabytes[1], limits))
    return verdict


def _check_quality(verdict: Verdict, limits: Limits) -> None:
    shared = verdict.compared.shared
    # Refused even if the loss may be chance: a bundle that may have forgotten tags should be trained again.
    if shared is not None and -shared.points > limits.mean_loss:
        verdict.refused.append(
            f"mean F1 over the tags that both bundles have: {shared.points:+.2f} points ({shared.low:+.2f} to "
            f"{shared.high:+.2f}), a loss of more than {limits.mean_loss:g}: train with more of the old products, or "
            "distil the old bundle"
        )
    for facet in verdict.compared.facets:
        for name, f1 in (("F1", facet.f1), ("macro F1", facet.macro_f1)):
            if -f1.points > limits.loss:
                loss = f"{facet.facet}: {name} {f1.points:+.2f} points ({f1.low:+.2f} to {f1.high:+.2f})"
                if f1.high < 0:
                    verdict.refused.append(f"{loss}, a loss of more than {limits.loss:g}")
                else:
                    verdict.warnings.append(f"{loss}: with {facet.products:,} products that may be chance")
        for tag in facet.tags:
            if tag.q < _SIGNIFICANCE and -tag.f1.points > limits.tag_loss:
                verdict.refused.append(
                    f"{tag.tag}: F1 {tag.f1.points:+.1f} points, a loss of more than {limits.tag_loss:g}"
                )


def _check_coverage(verdict: Verdict, limits: Limits) -> None:
    labelled = {facet.facet for facet in verdict.compared.facets}
    for facet, (now, new) in verdict.compared.coverage.items():
        lost = 100 * (now - new)
        if lost > limits.coverage_loss:
            verdict.refused.append(
                f"{facet}: AUTO tags for {new:.1%} of the products, currently {now:.1%}: a loss of more than "
                f"{limits.coverage_loss:g} points"
            )
        if facet not in labelled:
            verdict.warnings.append(f"{facet}: no product is labelled for it, so its quality was not compared")


def _check_promise(verdict: Verdict, current: Bundle, candidate: Bundle, limits: Limits) -> None:
    now, promised = (each.manifest.metrics.get("promise", {}).get("precision") for each in (current, candidate))
    if now is not None and (promised is None or promised < now) and not limits.allow_weaker_promise:
        offered = "no precision" if promised is None else f"a precision of {promised:.0%}"
        verdict.refused.append(
            f"it promises {offered} of AUTO tags, the current bundle {now:.0%}: train with that auto_precision, or use "
            "--allow-weaker-promise"
        )
    if promised is None:
        verdict.warnings.append("its manifest does not promise a precision of AUTO tags")
    else:
        verdict.refused.extend(broken_promises(verdict.compared.served, promised))


def broken_promises(served: Mapping[str, ServedTags], promised: float) -> list[str]:
    """The facets whose AUTO tags are significantly less precise than promised."""
    broken = []
    for facet, its in served.items():
        # Clopper and Pearson 1934: the upper end of the one-sided interval for the precision.
        if its.tags and beta.ppf(_CONFIDENCE, its.right + 1, max(its.tags - its.right, 1e-9)) < promised:
            broken.append(
                f"{facet}: {its.right / its.tags:.1%} of {its.tags:,} AUTO tags are right, but {promised:.0%} are "
                "promised: set the thresholds on newer validation products"
            )
    return broken


def too_large(megabytes: float, limits: Limits) -> list[str]:
    """Why the bundle is too large; empty if it is not."""
    is_large = megabytes > limits.megabytes
    return [f"it has {megabytes:.1f} MB, more than the limit of {limits.megabytes:g}"] if is_large else []


def _speed(current: Tagger, candidate: Tagger, products: Sequence[LabelledProduct]) -> float:
    """The candidate's texts per second divided by the current bundle's: the median over rounds of both in turn."""
    texts = [product.text for product in products[:_TIMED]]
    ratios = []
    for _ in range(_ROUNDS + 1):
        seconds = []
        for tagger in (current, candidate):
            started = time.perf_counter()
            tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])
    # The first round is a warm-up.
    return statistics.median(ratios[1:])
