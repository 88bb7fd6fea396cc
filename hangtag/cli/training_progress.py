"""The progress of a training in a terminal."""

from typing import TYPE_CHECKING, Self

from rich.console import Console

from hangtag.cli.progress import StepBar

if TYPE_CHECKING:  # these load torch
    from hangtag.trainer.files.run_folder import Epoch
    from hangtag.trainer.fitting.epochs import Progress as Step


class TrainingProgress:
    """Shows the progress of a run; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = StepBar(console)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.__exit__(*raised)

    def stage(self, name: str) -> None:
        """Print the name of a stage."""
        self._bar.stage(name)

    def note(self, text: str) -> None:
        """Print what there is to know."""
        self._console.print(text, soft_wrap=True)

    def step(self, at: "Step") -> None:
        """Show a step in the bar."""
        description = f"epoch {at.epoch}/{at.epochs}  step {at.step}/{at.steps}  loss {at.loss:.3f}"
        self._bar.step(f"{description}  {at.tokens_per_s:,.0f} tokens/s", at.step, at.steps)

    def epoch(self, epoch: "Epoch") -> None:
        """Print an epoch's figures."""
        figures = "  ".join(f"{name} {100 * score:.1f}" for name, score in epoch.facets.items())
        self._console.print(
            f"epoch {epoch.epoch}: score {100 * epoch.score:.2f}  loss {epoch.loss:.3f}  "
            f"({epoch.seconds:.0f} s)  {figures}",
            soft_wrap=True,
        )
