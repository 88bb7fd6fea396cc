"""Comparison of runs: quality, size, speed and cost."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.files.made_bundle import made_bundle
from hangtag.trainer.files.run_folder import RunFolder

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class RunComparison:
    """One run's figures.

    `f1` (weighted for single, micro for multi facets) and `auto_coverage` are per facet, 0 to 1. `version` is the
    bundle's; `int8_loss` is the loss by int8 in points of F1 (None: not measured). `texts_per_second` and
    `tokens_per_second` are medians on this machine; `ratio` is the speed relative to the first run; `core_hours` and
    `cost` are for a million products. `settings` are the recipe's settings in which the runs differ.
    """

    run: str
    version: str
    f1: dict[str, float]
    auto_coverage: dict[str, float]
    int8_loss: float | None
    megabytes: float
    parameters: int
    training_seconds: float
    texts_per_second: float
    tokens_per_second: float
    ratio: float
    core_hours: float
    cost: float
    data_fingerprint: str
    settings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare_runs(
    runs: Sequence[Path],
    texts: Sequence[ProductText],
    core_hour_price: float,
    on_stage: Callable[[str], object] = lambda _: None,
) -> list[RunComparison]:
    """Compare finished runs; their bundles tag the same texts in turns. `core_hour_price` is per core and hour.

    Raises:
        RecipeError: a folder holds no finished run, or its bundle is not found.
    """
    on_stage("Loading the bundles")
    outcomes = [RunFolder(run).outcome() for run in runs]
    recipes = [RunFolder(run).recipe().model_dump(mode="json") for run in runs]
    differing = [name for name in recipes[0] if any(recipe[name] != recipes[0][name] for recipe in recipes)]
    bundles = [made_bundle(run, outcome)[1] for run, outcome in zip(runs, outcomes, strict=True)]
    taggers = [Tagger.of(bundle, open_engine(bundle, "cpu")) for bundle in bundles]
    try:
        on_stage("Warming up")
        _clock(taggers, texts)
        clocks = []
        for number in range(1, _ROUNDS + 1):
            on_stage(f"Timing in turns, round {number} of {_ROUNDS}")
            clocks.append(_clock(taggers, texts))
        tokens = [sum(map(len, tagger.encode(texts))) for tagger in taggers]
    finally:
        for tagger in taggers:
            tagger.engine.close()
    result = []
    for at, (outcome, bundle) in enumerate(zip(outcomes, bundles, strict=True)):
        seconds = statistics.median(clock[at][0] for clock in clocks)
        core_seconds = statistics.median(clock[at][1] for clock in clocks)
        core_hours = core_seconds / len(texts) * 1e6 / 3600
        facets = outcome["evaluation"]["facets"]
        kinds = {facet.name: facet.kind.value for facet in bundle.schema.facets}
        averages = {"single": "weighted_f1", "multi": "micro_f1"}
        result.append(
            RunComparison(
                run=str(runs[at]),
                version=bundle.version,
                f1={name: facet[averages[kinds[name]]] for name, facet in facets.items()},
                auto_coverage={name: facet["auto_coverage"] for name, facet in facets.items()},
                int8_loss=bundle.manifest.metrics.get("int8_loss"),
                megabytes=outcome["bytes"] / 1e6,
                parameters=outcome["parameters"],
                training_seconds=outcome["training_seconds"],
                texts_per_second=len(texts) / seconds,
                tokens_per_second=tokens[at] / seconds,
                ratio=statistics.median(clock[0][0] / clock[at][0] for clock in clocks),
                core_hours=core_hours,
                cost=core_hours * core_hour_price,
                data_fingerprint=bundle.manifest.data_fingerprint,
                settings={name: recipes[at][name] for name in differing},
            )
        )
    return result


def _clock(taggers: Sequence[Tagger], texts: Sequence[ProductText]) -> list[tuple[float, float]]:
    """Seconds and core-seconds of each tagger, measured in turn so that other load affects all alike."""
    result = []
    for tagger in taggers:
        started, cores = time.perf_counter(), time.process_time()
        tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))
        result.append((time.perf_counter() - started, time.process_time() - cores))
    return result
