"""A report's figures in plain words."""

from collections.abc import Sequence

from hangtag.trainer.reporting.baselines import Baseline, BaselineScore
from hangtag.trainer.reporting.findings import Findings
from hangtag.trainer.reporting.gather import Gathered

# A difference below this many points of F1 is not called one.
_POINTS = 0.5


def summary_of(gathered: Gathered, findings: Sequence[Findings], baselines: Sequence[Baseline], price: float) -> str:
    """One paragraph; `price` is that of a core for an hour."""
    return " ".join(
        sentence
        for sentence in (
            _data(gathered, findings),
            _quality(findings),
            _gain(findings, baselines),
            _served(findings),
            _cost(gathered, price),
        )
        if sentence
    )


def figure_of(findings: Findings, score: BaselineScore) -> float:
    """The baseline's figure to set beside `findings.f1`."""
    return score.weighted_f1 if findings.is_single else score.micro_f1


def _data(gathered: Gathered, findings: Sequence[Findings]) -> str:
    schema = gathered.bundle.schema
    unchecked = len(schema.facets) - len(findings)
    return (
        f"This tagger learnt {len(schema.tags)} tags in {_counted(len(schema.facets), 'facet')} from "
        f"{len(gathered.train):,} products and was checked on {len(gathered.validation):,} others"
        + (f", not for {_counted(unchecked, 'facet')}." if unchecked else ".")
    )


def _quality(findings: Sequence[Findings]) -> str:
    best, worst = max(findings, key=lambda each: each.f1), min(findings, key=lambda each: each.f1)
    if best is worst:
        return f"It reaches an F1 of {100 * best.f1:.1f} % for {best.facet.name}."
    return (
        f"It is best at {best.facet.name} (F1 {100 * best.f1:.1f} %) and weakest at {worst.facet.name} "
        f"({100 * worst.f1:.1f} %)."
    )


def _gain(findings: Sequence[Findings], baselines: Sequence[Baseline]) -> str:
    """Against the best baseline that knows every facet."""
    rivals = []
    for baseline in baselines:
        figures = [
            figure_of(each, baseline.facets[each.facet.name]) for each in findings if each.facet.name in baseline.facets
        ]
        if len(figures) == len(findings):
            rivals.append((sum(figures) / len(figures), baseline.title))
    if not rivals:
        return ""
    rival, title = max(rivals)
    own = sum(each.f1 for each in findings) / len(findings)
    points = 100 * (own - rival)
    mean = "On average over the facets" if len(findings) > 1 else "In figures"
    if abs(points) < _POINTS:
        return f"{mean} that is no better than the best simple baseline ({title}: {100 * rival:.1f} %)."
    word = "above" if points > 0 else "below"
    return f"{mean} that is {abs(points):.1f} points {word} the best simple baseline ({title}: {100 * rival:.1f} %)."


def _served(findings: Sequence[Findings]) -> str:
    asked = sum(each.score.support for each in findings)
    auto, review = (sum(getattr(each, name) for each in findings) for name in ("auto", "review"))
    told = sum(int(each.told.auto.sum()) for each in findings)
    right = sum(int((each.told.auto & each.told.right).sum()) for each in findings)
    if not told:
        return f"Nothing is sure enough to be served on its own yet: {100 * review / asked:.0f} % goes to a person."
    return (
        f"Asked for a facet of a product, it answers on its own (AUTO) in {100 * auto / asked:.0f} of 100 cases, "
        f"and {100 * right / told:.1f} % of these tags are right; in {100 * review / asked:.0f} it has only "
        f"suggestions for a person (REVIEW) and in {100 * (asked - auto - review) / asked:.0f} it says nothing."
    )


def _cost(gathered: Gathered, price: float) -> str:
    minutes = gathered.outcome["training_seconds"] / 60
    return (
        f"Training took {minutes:,.0f} minutes on {gathered.outcome['device']}; tagging a million products takes "
        f"{gathered.speed.core_seconds / gathered.speed.products * 1e6 / 3600:,.1f} core-hours here, "
        f"{gathered.speed.cost_of_a_million(price):,.2f} at {price:g} a core-hour."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
