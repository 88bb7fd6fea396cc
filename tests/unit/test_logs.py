"""What every line of a program's log has."""

import json
import logging
import threading

import pytest
import structlog

from hangtag.settings import LogSettings
from hangtag.telemetry import configure_logs, get_log


@pytest.fixture
def configured(capsys):  # the handler writes to the captured standard error
    root, ours = logging.getLogger(), logging.getLogger("hangtag")
    before = root.handlers[:], root.level, ours.level
    configure_logs(LogSettings(format="json"), "worker")
    yield
    structlog.reset_defaults()
    root.handlers[:], level, own = before
    root.setLevel(level)
    ours.setLevel(own)


@pytest.mark.usefixtures("configured")
def test_every_line_names_the_program_whatever_thread_or_library_wrote_it(capsys):
    def write() -> None:
        get_log("hangtag.test").info("ours")
        logging.getLogger("library").warning("theirs")

    write()
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs"] * 2
    assert {line["program"] for line in lines} == {"worker"}
