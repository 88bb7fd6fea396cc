"""Writing the report of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.files.left_out import results_of
from hangtag.trainer.judging.left_out import LeftOut
from hangtag.trainer.reporting.baselines import Baseline, baselines_of
from hangtag.trainer.reporting.findings import Findings, findings_of
from hangtag.trainer.reporting.gather import gather
from hangtag.trainer.reporting.page import Studies, page_of
from hangtag.trainer.reporting.summary import figure_of, summary_of
from hangtag.trainer.reporting.trade_offs import TradeOffs, trade_offs_of

# A typical price of one rented core for an hour, in dollars or euros.
CORE_HOUR_PRICE = 0.05


@dataclass(frozen=True, slots=True)
class Report:
    """A written report: its path, its summary, and what its tables say.

    `left_out` is what categories without examples get, as far as `leave_out` was called for the run.
    """

    path: Path
    summary: str
    findings: list[Findings]
    baselines: list[Baseline]
    trade_offs: TradeOffs
    left_out: list[LeftOut]

    def to_json(self) -> dict[str, Any]:
        """Plain values; `f1` and the baselines' figures are weighted F1 for single and micro F1 for multi facets."""
        return {
            "report": str(self.path),
            "summary": self.summary,
            "facets": {
                each.facet.name: {
                    "f1": each.f1,
                    "baselines": {
                        baseline.title: figure_of(each, baseline.facets[each.facet.name])
                        for baseline in self.baselines
                        if each.facet.name in baseline.facets
                    },
                    "products": each.score.support,
                    "auto_coverage": each.score.auto_coverage,
                    "auto_precision": each.score.auto_precision,
                    "calibration_error": each.calibration_error,
                    "promises": [step.model_dump() for step in self.trade_offs.get(each.facet.name, ())],
                }
                for each in self.findings
            },
            "left_out": [each.model_dump(mode="json") for each in self.left_out],
        }


def write_report(
    run: Path,
    data: Path,
    out: Path | None = None,
    *,
    with_baselines: bool = True,
    with_texts: bool = True,
    core_hour_price: float = CORE_HOUR_PRICE,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Report:
    """Write the report to `out` (default: `report.html` in the run's folder).

    Baselines, and what other promises would mean, are kept in the run's folder.

    Without texts, mistakes are listed only by their products' ids.

    Raises:
        RecipeError, LabelledFileError, ReportError: see `gather`.
        OSError: the report cannot be written.
    """
    gathered = gather(run, data, on_stage)
    findings = findings_of(gathered)
    baselines = baselines_of(gathered, run / "baselines.json", on_stage) if with_baselines else []
    trade_offs = trade_offs_of(gathered, data, run / "promises.json", on_stage)
    on_stage("Writing the report")
    summary = summary_of(gathered, findings, baselines, core_hour_price)
    path = out or run / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    left_out = [LeftOut.model_validate_json(file.read_bytes()) for file in results_of(run)]
    studies = Studies(baselines, trade_offs, left_out)
    page = page_of(gathered, findings, studies, summary, core_hour_price, with_texts=with_texts)
    write_text(path, page)
    return Report(path, summary, findings, baselines, trade_offs, left_out)
