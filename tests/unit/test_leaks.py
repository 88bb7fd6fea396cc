"""The search for texts and secrets in what the tests made Hangtag write: it finds them wherever they are."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = "from tests.leaks import listen, pytest_runtest_makereport\nlisten()\n"
# Each but the first leaves something behind.
TESTS = """
import logging
from hangtag.cli.local import Child
from hangtag.telemetry import metrics
from tests.leaks import SECRET, TEXT

log = logging.getLogger("a library")
log.setLevel("DEBUG")

def test_nothing(): print("a product")
def test_printed(): print(SECRET)
def test_logged(): log.debug("got %s", TEXT)
def test_stack(): log.error("failed", exc_info=ValueError(TEXT))
def test_of_a_process(tmp_path): assert Child("worker", ["echo", SECRET], tmp_path).ends_within(60)
def test_metrics(): metrics.REFUSED_CALLS.labels(TEXT, "calls").inc()
"""


@pytest.mark.timeout(120)
def test_every_test_that_leaves_one_behind_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "integration"
    folder.mkdir(parents=True)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(folder)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=110, check=False
    )

    assert "6 passed, 5 errors" in done.stdout, done.stdout + done.stderr
    for where in ("Captured stdout call", "the log of this process", "the log of worker", "the metrics"):
        assert f"{where} has a text of a product or a secret" in done.stdout
