"""A command that is told to end in the middle of its work."""

import os
import signal
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def stopped_after(words: str, number: signal.Signals, *arguments: str) -> tuple[int, list[str]]:
    """Run `hangtag ARGUMENTS` and send the signal once it has told `words`: its exit code and what it told, by line."""
    with subprocess.Popen(
        [sys.executable, "-m", "hangtag.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "COLUMNS": "200"},
    ) as process:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line.rstrip("\n"))
            if words in line:
                process.send_signal(number)
                words = "\0"  # once
    return process.returncode, told
