"""What every line of a program's log has."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, threading
from hangtag.settings import LogSettings
from hangtag.telemetry import configure_logs, get_log

def write():
    get_log("hangtag.test").info("ours")
    logging.getLogger("library").warning("theirs")

configure_logs(LogSettings(format="json"), "worker")
write()
thread = threading.Thread(target=write)
thread.start()
thread.join()
"""


def test_every_line_names_the_program_whatever_thread_or_library_wrote_it():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs"] * 2
    assert {line["program"] for line in lines} == {"worker"}
