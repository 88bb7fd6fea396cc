"""Taggers whose answers are changed, and the gate with limits that only what a test is about breaks."""

from dataclasses import replace

from hangtag.tagger.tagger import Tagger
from hangtag.trainer.releasing.gate import Limits, check_release


class Damaged:
    """The bundle's engine with changed logits."""

    def __init__(self, engine, change) -> None:
        self._engine, self._change = engine, change

    def forward(self, batch):
        return self._change(self._engine.forward(batch).copy())


def damaged(tagger: Tagger, change) -> Tagger:
    return replace(tagger, engine=Damaged(tagger.engine, change))


def gate(now: Tagger, new: Tagger, products, **limits):
    return check_release(
        now, new, products, (1.0, 1.0), Limits(**({"slowdown": 10, "mean_loss": 100, "coverage_loss": 100} | limits))
    )


def promising(tagger: Tagger, precision: float) -> Tagger:
    manifest = tagger.bundle.manifest.model_copy(update={"metrics": {"promise": {"precision": precision}}})
    return replace(tagger, bundle=replace(tagger.bundle, manifest=manifest))
