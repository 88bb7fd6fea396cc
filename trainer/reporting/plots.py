"""A report's plots, as self-contained SVG to embed in a page."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve

from hangtag.trainer.files.run_folder import Epoch
from hangtag.trainer.reporting.findings import Findings

_BINS = 15
# More points would not change how a curve looks, but make the page larger.
_POINTS = 300
_INK, _BLUE, _ORANGE, _GREEN, _GREY = "#1f2933", "#2563a8", "#c2570c", "#15803d", "#9aa5b1"
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "legend.frameon": False,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def learning_curves(history: Sequence[Epoch]) -> str:
    """The training loss and the facets' validation F1, by epoch."""
    epochs = [epoch.epoch for epoch in history]
    with rc_context(_STYLE | {"svg.hashsalt": "learning"}):
        figure = Figure(figsize=(8.2, 3.1), layout="constrained")
        loss, score = figure.subplots(1, 2)
        loss.plot(epochs, [epoch.loss for epoch in history], color=_INK, marker="o", markersize=4)
        loss.set(xlabel="epoch", ylabel="training loss", xticks=epochs)
        for name in history[0].facets:
            score.plot(epochs, [100 * epoch.facets[name] for epoch in history], marker="o", markersize=3, label=name)
        score.plot(epochs, [100 * epoch.score for epoch in history], color=_INK, linewidth=2.5, label="mean")
        score.set(xlabel="epoch", ylabel="validation F1, %", xticks=epochs)
        score.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
        return _svg(figure, "Loss and validation F1 per epoch")


def reliability(findings: Findings) -> str:
    """A reliability diagram: confidence against the share of right tags, in bins of equal mass."""
    predictions = findings.predictions
    right, confidence = calibration_curve(
        predictions.right, np.clip(predictions.confidences, 0, 1), n_bins=_BINS, strategy="quantile"
    )
    with rc_context(_STYLE | {"svg.hashsalt": f"reliability {findings.facet.name}"}):
        figure, axes = _square()
        axes.plot([0, 100], [0, 100], color=_GREY, linestyle="--", linewidth=1)
        axes.plot(100 * confidence, 100 * right, color=_BLUE, marker="o", markersize=4)
        axes.set(xlabel="confidence, %", ylabel="right, %", xlim=(0, 100.5), ylim=(0, 100.5))
        return _svg(figure, f"{findings.facet.name}: confidence against the share of right tags")


def precision_coverage(findings: Findings, promised: float | None) -> str:
    """Precision against coverage for a varying threshold on confidence, with dots for the tags that are served.

    Coverage is the share of labelled products with a prediction (single) or the share of their tags that are found
    (multi: recall).
    """
    predictions = findings.predictions
    order = np.argsort(-predictions.confidences, kind="stable")
    hits, count = np.cumsum(predictions.right[order]), np.arange(1, len(order) + 1)
    covered = (count if findings.is_single else hits) / max(1, predictions.total)
    first = min(20, len(order) - 1)  # with fewer products, a share is not meaningful
    at = np.unique(np.linspace(first, len(order) - 1, _POINTS).astype(int))
    with rc_context(_STYLE | {"svg.hashsalt": f"coverage {findings.facet.name}"}):
        figure, axes = _square()
        axes.plot(100 * covered[at], 100 * hits[at] / count[at], color=_BLUE)
        lowest = [100 * float((hits[at] / count[at]).min())]
        for flags, name, color in ((predictions.auto, "AUTO", _GREEN), (predictions.shown, "AUTO + REVIEW", _ORANGE)):
            if flags.any():
                share = (flags.sum() if findings.is_single else predictions.right[flags].sum()) / max(
                    1, predictions.total
                )
                precision = 100 * float(predictions.right[flags].mean())
                axes.plot([100 * share], [precision], "o", color=color, markersize=8, label=name)
                lowest.append(precision)
        if promised is not None:
            axes.axhline(100 * promised, color=_GREEN, linestyle=":", linewidth=1.5, label="AUTO promise")
        axes.set(
            xlabel="products with a tag, %" if findings.is_single else "true tags found, %",
            ylabel="right, %",
            xlim=(0, 100.5),
            ylim=(max(0.0, min(lowest) - 3), 100.5),
        )
        axes.legend(loc="lower left", fontsize=9)
        return _svg(figure, f"{findings.facet.name}: precision against coverage")


def _square() -> tuple[Any, Any]:
    figure = Figure(figsize=(3.9, 3.1), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Any, title: str) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=_NO_METADATA, transparent=True)
    svg = text.getvalue()
    # Without the XML declaration and document type, which refers to an external DTD.
    return svg[svg.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
