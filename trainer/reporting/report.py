"""From a run to its report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangtag.trainer.files.whole_file import write_text
from hangtag.trainer.reporting.baselines import Baseline, baselines_of
from hangtag.trainer.reporting.findings import Findings, findings_of
from hangtag.trainer.reporting.gather import gather
from hangtag.trainer.reporting.page import page_of
from hangtag.trainer.reporting.summary import figure_of, summary_of

# What a core of a rented machine costs for an hour, give or take: in dollars or euros.
CORE_HOUR_PRICE = 0.05


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written: where it is, its summary and the figures of its first table."""

    path: Path
    summary: str
    findings: list[Findings]
    baselines: list[Baseline]

    def to_json(self) -> dict[str, Any]:
        """Plain values; `f1` is weighted for single and micro for multi facets, baselines' likewise."""
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
                }
                for each in self.findings
            },
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
    """Write `out` (`report.html` in the run's folder), whole or not at all. Baselines are kept in the run's folder.

    Without texts, the surest mistakes stand there by their products' ids alone.

    Raises:
        RecipeError, LabelledFileError, ReportError: see `gather`.
        OSError: the disk.
    """
    gathered = gather(run, data, on_stage)
    findings = findings_of(gathered)
    baselines = baselines_of(gathered, run / "baselines.json", on_stage) if with_baselines else []
    on_stage("Writing the report")
    summary = summary_of(gathered, findings, baselines, core_hour_price)
    path = out or run / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page_of(gathered, findings, baselines, summary, core_hour_price, with_texts=with_texts))
    return Report(path, summary, findings, baselines)
