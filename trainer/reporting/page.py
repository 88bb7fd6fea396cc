"""The report's page: a single, self-contained HTML file."""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hangtag.tags.thresholds import TagThresholds
from hangtag.text.kind import TextKind
from hangtag.trainer.judging.left_out import LeftOut
from hangtag.trainer.judging.standing import Standing
from hangtag.trainer.judging.what_if import Step
from hangtag.trainer.reporting import plots
from hangtag.trainer.reporting.baselines import Baseline
from hangtag.trainer.reporting.embedded import embedded
from hangtag.trainer.reporting.findings import Findings
from hangtag.trainer.reporting.gather import Gathered
from hangtag.trainer.reporting.promises import promises_of
from hangtag.trainer.reporting.summary import figure_of
from hangtag.trainer.reporting.trade_offs import TradeOffs

_PACKAGES = ("hangtag", "torch", "transformers", "scikit-learn", "numpy", "tokenizers", "openvino")


@dataclass(frozen=True, slots=True)
class Studies:
    """What was found beside the run: baselines, other promises, and categories without examples."""

    baselines: Sequence[Baseline]
    trade_offs: TradeOffs
    left_out: Sequence[LeftOut]


def page_of(
    gathered: Gathered,
    findings: Sequence[Findings],
    studies: Studies,
    summary: str,
    price: float,
    *,
    with_texts: bool,
) -> str:
    """Render the HTML. Texts of products and tags are escaped; pictures, style and script are embedded."""
    environment = Environment(
        loader=PackageLoader("hangtag.trainer", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "points": _points,
        "count": _count,
        "threshold": _threshold,
        "cut": _cut,
        "short": _short,
    }
    metrics = gathered.bundle.manifest.metrics
    promise = metrics.get("promise")
    return environment.get_template("report.html.j2").render(
        run=gathered,
        findings=findings,
        baselines=studies.baselines,
        figure_of=figure_of,
        trade_offs=studies.trade_offs,
        left_out=studies.left_out,
        own_promise=gathered.recipe.auto_precision,
        own_step=next(
            (
                at
                for steps in studies.trade_offs.values()
                for at, step in enumerate(steps)
                if step.promise == gathered.recipe.auto_precision
            ),
            0,
        ),
        promise_confidence=gathered.recipe.auto_confidence,
        trade_off_data=embedded(
            {facet: [step.model_dump() for step in steps] for facet, steps in studies.trade_offs.items()}
        ),
        summary=summary,
        price=price,
        with_texts=with_texts,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        promise=promise,
        promises={
            each.facet.name: promises_of(each.facet, promise, gathered.evaluation) for each in findings if promise
        },
        Standing=Standing,
        calibrated_apart=any(source.calibration for source in gathered.recipe.sources),
        cross_fitted=metrics.get("cross_fitted", {}),
        thresholds=gathered.bundle.thresholds.entry(TextKind.PRODUCT).tags,
        curves=Markup(plots.learning_curves(gathered.history)),  # noqa: S704 (our own SVG)
        pictures={
            each.facet.name: (
                Markup(plots.precision_coverage(each, promise and promise["precision"])),  # noqa: S704
                Markup(plots.reliability(each)),  # noqa: S704
            )
            for each in findings
            if len(each.predictions.right)
        },
        recipe=json.dumps(gathered.recipe.model_dump(mode="json"), indent=1, ensure_ascii=False),
        made_with=_made_with(),
    )


def _made_with() -> dict[str, Any]:
    return {name: version(name) for name in _PACKAGES} | {
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _threshold(thresholds: TagThresholds, band: str) -> str:
    threshold: float = getattr(thresholds, band)
    return "never" if threshold > 1 else f"{threshold:.2f}"


def _cut(step: Step) -> str:
    """From which confidence on tags are AUTO."""
    if step.lowest is None or step.highest is None:
        return "never"
    lowest, highest = f"{step.lowest:.2f}", f"{step.highest:.2f}"
    return lowest if lowest == highest else f"{lowest} to {highest}"


def _short(text: str, length: int) -> str:
    """The first `length` characters."""
    return text if len(text) <= length else f"{text[:length].rstrip()} ..."
