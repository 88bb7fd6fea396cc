"""A run's figures while it goes on: JSON lines always, TensorBoard where it is installed, W&B where it is asked for."""

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
    """Writes every tenth step's and every epoch's figures of a run; no text of any product.

    A run that goes on writes over what it told of steps that it takes again.

    Raises:
        RecipeError: W&B is asked for and not installed.
    """

    def __init__(self, run: RunFolder, recipe: Recipe, *, wandb: bool = False) -> None:
        if wandb and importlib.util.find_spec("wandb") is None:
            msg = "--wandb needs a package more: pip install wandb"
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
        # A signal may have cut a tracker short in the middle of handing over, and waiting for it would never end.
        if kind is None or issubclass(kind, Exception):
            for tracker in self._trackers or ():
                tracker.finish()

    def step(self, at: Progress) -> None:
        """Tell of a step."""
        self._steps = at.steps
        if at.step % _EVERY and at.step < at.steps:
            return
        if self._trackers is None:  # only here is it known where the run goes on
            self._trackers = self._started((at.epoch - 1) * at.steps + at.step)
            here = (at.epoch, at.step)
            keep_lines(self._run.steps, lambda told: (told["epoch"], told["step"]) < here)
        figures = {"loss": at.loss, "learning_rate": at.learning_rate, "tokens_per_s": at.tokens_per_s}
        place = {"epoch": at.epoch, "step": at.step, "steps": at.steps}
        append_line(self._run.steps, place | figures)
        self._log({f"train/{name}": figure for name, figure in figures.items()}, (at.epoch - 1) * at.steps + at.step)

    def epoch(self, epoch: Epoch) -> None:
        """Tell of an epoch."""
        figures = {"score": epoch.score} | {f"f1/{facet}": score for facet, score in epoch.facets.items()}
        self._log({f"validation/{name}": figure for name, figure in figures.items()}, epoch.epoch * self._steps)
        for tracker in self._trackers or ():
            if isinstance(tracker, TensorBoardTracker):
                tracker.writer.flush()  # what is told of a finished epoch outlives a kill

    def _started(self, step: int) -> list[GeneralTracker]:
        trackers: list[GeneralTracker] = []
        if importlib.util.find_spec("tensorboard") is not None:
            trackers.append(TensorBoardTracker("tensorboard", self._run.path, purge_step=step))
        if self._wandb:
            place = self._run.path.resolve()
            # Runs of one name in different folders are different runs; the same folder goes on with its own.
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
