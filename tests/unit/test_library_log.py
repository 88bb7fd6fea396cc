"""The Kafka client's log is folded; that of Hangtag and of other libraries is not."""

import json
import logging
import subprocess
import sys

from hangtag.telemetry.library_log import FoldedLibraryLog

SCRIPT = """
import logging
from hangtag.settings import LogSettings
from hangtag.telemetry import configure_logs, get_log
configure_logs(LogSettings(format="json", level={level!r}), "worker")
for number in range(50):
    logging.getLogger("kafka.net.manager").error("Connection failed: %s", number)
    logging.getLogger("kafka.net.connection").warning("Connection lost")
    logging.getLogger("kafka.net.selector").warning("Task ran for 0.17s")
    logging.getLogger("other").warning("said")
    get_log("hangtag.workers").info("done")
"""


def lines(level: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(level=level)], check=True, capture_output=True, text=True, timeout=20
    )
    return [json.loads(line)["event"] for line in ran.stderr.splitlines()]


def test_one_line_a_minute_of_each_part_of_the_client_is_logged():
    found = lines("info")

    assert [line for line in found if line not in ("said", "done")] == ["Connection failed: 0"]
    assert (found.count("said"), found.count("done")) == (50, 50)


def test_with_level_debug_everything_is_logged():
    assert len(lines("debug")) == 250


def test_the_next_line_says_how_many_were_held_back(monkeypatch):
    now = 0.0
    monkeypatch.setattr("hangtag.telemetry.library_log.time.monotonic", lambda: now)
    folded = FoldedLibraryLog()

    def shown(name: str, text: str) -> str | None:
        record = logging.LogRecord(name, logging.WARNING, "", 0, "%s", (text,), None)
        return record.getMessage() if folded.filter(record) else None

    assert shown("kafka.net.manager", "a") == "a"
    assert shown("kafka.net.connection", "b") is None
    assert shown("kafka.coordinator.consumer", "c") == "c"
    now = 61.0
    assert shown("kafka.net.manager", "d") == "d (1 lines of kafka.net held back before)"
    now = 122.0
    assert shown("kafka.net.manager", "e") == "e"
