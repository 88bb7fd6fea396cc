"""Tracking of a run's figures: JSON lines always, TensorBoard if it is installed, W&B if requested."""

import importlib.util
import zlib
from types import TracebackType
from typing import Any, Self

from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker

from hangtag.trainer.files.json_lines import append_line, keep_lines
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.fitting.epochs import Progress
from hangtag.trainer.recipe.recipe import Recipe, RecipeError

_EVERY = 10


class Tracking:
    """Writes the figures of every tenth step and every epoch of a run; never a product's text.

    A resumed run overwrites the figures of steps that it repeats.

    Raises:
        RecipeError: W&B is requested but not installed.
    """

    def __init__(self, run: RunFolder, recipe: Recipe, *, wandb: bool = False) -> None:
        if wandb and importlib.util.find_spec("wandb") is None:
            msg = "--wandb needs another package: pip install wandb"
            raise RecipeError(msg)
        self._run = run
        self._recipe = recipe
        self._wandb = wandb
        self._steps = 0
        self._trackers: list[GeneralTracker] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a signal, a tracker may be in the middle of a transfer, and waiting for it might never end.
        if kind is None or issubclass(kind, Exception):
            for tracker in self._trackers or ():
                tracker.finish()

    def step(self, at: Progress) -> None:
        """Record a step."""
        self._steps = at.steps
        if at.step % _EVERY and at.step < at.steps:
            return
        if self._trackers is None:  # the first step shows where the run starts or resumes
            self._trackers = self._start_trackers((at.epoch - 1) * at.steps + at.step)
            here = (at.epoch, at.step)
            keep_lines(self._run.steps, lambda line: (line["epoch"], line["step"]) < here)
        figures = {"loss": at.loss, "learning_rate": at.learning_rate, "tokens_per_s": at.tokens_per_s}
        place = {"epoch": at.epoch, "step": at.step, "steps": at.steps}
        append_line(self._run.steps, place | figures)
        self._log({f"train/{name}": figure for name, figure in figures.items()}, (at.epoch - 1) * at.steps + at.step)

    def epoch(self, epoch: Epoch) -> None:
        """Record an epoch."""
        figures = {"score": epoch.score} | {f"f1/{facet}": score for facet, score in epoch.facets.items()}
        self._log({f"validation/{name}": figure for name, figure in figures.items()}, epoch.epoch * self._steps)
        for tracker in self._trackers or ():
            if isinstance(tracker, TensorBoardTracker):
                tracker.writer.flush()  # so that a finished epoch's figures survive a kill

    def _start_trackers(self, step: int) -> list[GeneralTracker]:
        trackers: list[GeneralTracker] = []
        if importlib.util.find_spec("tensorboard") is not None:
            trackers.append(TensorBoardTracker("tensorboard", self._run.path, purge_step=step))
        if self._wandb:
            place = self._run.path.resolve()
            # Folders with the same name are different runs; the same folder resumes its own run.
            key = f"{place.name}-{zlib.crc32(str(place).encode()):08x}"
            config: dict[str, Any] = self._recipe.model_dump(mode="json")
            trackers.append(
                WandBTracker("hangtag", name=place.name, id=key, resume="allow", dir=str(place), config=config)
            )
        for tracker in trackers:
            tracker.start()
        return trackers

    def _log(self, figures: dict[str, float], step: int) -> None:
        for tracker in self._trackers or ():
            tracker.log(figures, step=step)
