"""Running a command and stopping it in the middle of its work."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_ROOT = Path(__file__).parents[2]
# Far longer than a command needs to stop on a busy machine, shorter than the time limit of a test.
_HANGS_AFTER_S = 60


def stopped_after(words: str, number: signal.Signals, *arguments: str) -> tuple[int, list[str]]:
    """Run `hangtag ARGUMENTS` and send the signal when it prints `words`; return the exit code and the lines of stderr.

    A command that hangs is killed with a dump of its threads' stacks, which then fails the test.
    """
    with subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "hangtag.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "COLUMNS": "200"},
    ) as process:
        assert process.stderr is not None
        lines = []
        watchdog = threading.Timer(_HANGS_AFTER_S, process.send_signal, [signal.SIGABRT])
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            if words in line:
                process.send_signal(number)
                words = "\0"  # once
                watchdog.start()
        watchdog.cancel()
    assert process.returncode != -signal.SIGABRT, "\n".join(lines)
    return process.returncode, lines
