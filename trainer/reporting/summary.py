"""A report's summary in plain words."""

from collections.abc import Sequence

from hangtag.trainer.reporting.baselines import Baseline, BaselineScore
from hangtag.trainer.reporting.findings import Findings
from hangtag.trainer.reporting.gather import Gathered

# A difference in F1 below this many points is described as none.
_POINTS = 0.5


def summary_of(gathered: Gathered, findings: Sequence[Findings], baselines: Sequence[Baseline], price: float) -> str:
    """One paragraph; `price` is the price of one core for an hour."""
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
    """The baseline's figure to compare with `findings.f1`."""
    return score.weighted_f1 if findings.is_single else score.micro_f1


def _data(gathered: Gathered, findings: Sequence[Findings]) -> str:
    schema = gathered.bundle.schema
    unchecked = len(schema.facets) - len(findings)
    return (
        f"This tagger learnt {len(schema.tags)} tags in {_counted(len(schema.facets), 'facet')} from "
        f"{len(gathered.train):,} products and was evaluated on {len(gathered.validation):,} others"
        + (f", except for {_counted(unchecked, 'facet')}." if unchecked else ".")
    )


def _quality(findings: Sequence[Findings]) -> str:
    best, worst = max(findings, key=lambda each: each.f1), min(findings, key=lambda each: each.f1)
    if best is worst:
        return f"Its F1 for {best.facet.name} is {100 * best.f1:.1f} %."
    return (
        f"It is best at {best.facet.name} (F1 {100 * best.f1:.1f} %) and weakest at {worst.facet.name} "
        f"({100 * worst.f1:.1f} %)."
    )


def _gain(findings: Sequence[Findings], baselines: Sequence[Baseline]) -> str:
    """The difference to the best baseline that has every facet."""
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
    subject = "Its mean F1 over the facets" if len(findings) > 1 else "That"
    if abs(points) < _POINTS:
        return f"{subject} is about equal to the best simple baseline ({title}: {100 * rival:.1f} %)."
    word = "above" if points > 0 else "below"
    return f"{subject} is {abs(points):.1f} points {word} the best simple baseline ({title}: {100 * rival:.1f} %)."


def _served(findings: Sequence[Findings]) -> str:
    labelled = sum(each.score.support for each in findings)
    auto, review = (sum(getattr(each, name) for each in findings) for name in ("auto", "review"))
    tags = sum(int(each.predictions.auto.sum()) for each in findings)
    right = sum(int((each.predictions.auto & each.predictions.right).sum()) for each in findings)
    if not tags:
        return f"No tags are served automatically yet; {100 * review / labelled:.0f} % of cases have tags to review."
    return (
        f"For a facet of a product, it serves a tag automatically (AUTO) in {100 * auto / labelled:.0f} of 100 cases, "
        f"and {100 * right / tags:.1f} % of these tags are right; in {100 * review / labelled:.0f} it only suggests "
        f"tags for review (REVIEW), and in {100 * (labelled - auto - review) / labelled:.0f} it predicts none."
    )


def _cost(gathered: Gathered, price: float) -> str:
    minutes = gathered.outcome["training_seconds"] / 60
    return (
        f"Training took {minutes:,.0f} minutes on {gathered.outcome['device']}; tagging a million products takes "
        f"{gathered.speed.core_seconds / gathered.speed.products * 1e6 / 3600:,.1f} core-hours here, "
        f"{gathered.speed.cost_of_a_million(price):,.2f} at {price:g} per core-hour."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
