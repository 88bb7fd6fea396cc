"""A command that is told to end in the middle of its work."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_ROOT = Path(__file__).parents[2]
# Far longer than any stop takes on a busy machine, shorter than the time limit of a test.
_HANGS_AFTER_S = 60


def stopped_after(words: str, number: signal.Signals, *arguments: str) -> tuple[int, list[str]]:
    """Run `hangtag ARGUMENTS` and send the signal once it has told `words`: its exit code and what it told, by line.

    A command that hangs is made to tell where its threads stand, and fails the test with that.
    """
    with subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "hangtag.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "COLUMNS": "200"},
    ) as process:
        assert process.stderr is not None
        told = []
        hangs = threading.Timer(_HANGS_AFTER_S, process.send_signal, [signal.SIGABRT])
        for line in process.stderr:
            told.append(line.rstrip("\n"))
            if words in line:
                process.send_signal(number)
                words = "\0"  # once
                hangs.start()
        hangs.cancel()
    assert process.returncode != -signal.SIGABRT, "\n".join(told)
    return process.returncode, told
