"""Cautions about a run's data: shown, and a refusal if they are grave."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from hangtag.cli.errors import CommandError

if TYPE_CHECKING:  # loads scikit-learn
    from hangtag.trainer.judging.cautions import Caution


def show_cautions(cautions: "Sequence[Caution]", console: Console, *, anyway: bool) -> None:
    """Print every caution.

    Raises:
        CommandError: one is grave, and the user did not ask to go on `anyway`.
    """
    for caution in cautions:
        console.print(f"warning: {caution.text}", soft_wrap=True)
    grave = sum(caution.is_grave for caution in cautions)
    if grave and not anyway:
        msg = (
            f"{grave} of these warnings would make the figures of this model too good or its promises impossible: "
            "correct the data, or train all the same with --anyway"
        )
        raise CommandError(msg)
