"""Whether a quantity grows over time, by a robust fit, and a plot of many."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import theilslopes

# Smaller changes in an hour, as a share of the median, are none. Neighbouring samples depend on each other, so that the
# confidence interval alone would be too narrow.
_STEADY = 0.05
_HOUR_S = 3_600.0
_FEWEST = 5


class Trend(NamedTuple):
    """The samples of one quantity after the warm-up; the slope is by Theil and Sen, with its 95 % interval."""

    median: float
    largest: float
    last: float
    per_hour: float
    per_hour_low: float
    per_hour_high: float
    verdict: str


def trend(at_s: Sequence[float], values: Sequence[float]) -> Trend:
    """The trend of a quantity."""
    y = np.asarray(values, float)
    median, largest, last = float(np.median(y)), float(y.max()), float(y[-1])
    if len(y) < _FEWEST:
        return Trend(median, largest, last, 0.0, 0.0, 0.0, "too few samples")
    fit = theilslopes(y, np.asarray(at_s, float), 0.95)
    slope, low, high = (float(each) * _HOUR_S for each in (fit.slope, fit.low_slope, fit.high_slope))
    is_steady = low <= 0 <= high or abs(slope) <= _STEADY * abs(median)
    verdict = "steady" if is_steady else "grows" if slope > 0 else "falls"
    return Trend(median, largest, last, slope, low, high, verdict)


def plot(path: Path, title: str, rows: Sequence[Mapping[str, float]], names: Sequence[str], warm_up_s: float) -> None:
    """Write a plot with one small panel for each quantity."""
    columns = 4
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 1.9 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    minutes = [row["at_s"] / 60 for row in rows]
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(lines, columns, place)
        axes.plot(minutes, [row[name] for row in rows], linewidth=0.8)
        axes.axvspan(0, warm_up_s / 60, color="0.92")
        axes.set_title(name, fontsize="small")
        axes.set_ylim(0, 1.1 * max(row[name] for row in rows) or 1)
        axes.tick_params(labelsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
