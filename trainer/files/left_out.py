"""Where a run keeps what categories without examples got."""

from pathlib import Path

LEFT_OUT = "left-out"
RESULT = "answers.json"


def results_of(run: Path) -> list[Path]:
    """The files of finished trainings without a category, in a fixed order."""
    return sorted((run / LEFT_OUT).glob(f"*/{RESULT}"))
