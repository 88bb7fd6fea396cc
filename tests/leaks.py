"""Looks for texts of products and for secrets in all that Hangtag writes while the tests run.

Tests put `TEXT` into products and `SECRET` into passwords, tokens and URLs. Searched is, after each test that runs the
programs: what it printed and logged in this process, the logs of the programs that it started, and the metrics. The
test that wrote it fails, so that this also works when several processes share the tests.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from hangtag.cli.local import Child
from hangtag.telemetry import metrics

TEXT, SECRET = (f"{kind}-canary-4711" for kind in ("velvet", "hidden"))
# The logs of brokers and caches are theirs.
_OTHERS = {"kafka", "tansu", "valkey", "redis"}
_SEARCHED = ("tests/integration/", "tests/e2e/", "tests/chaos/")

_logs: dict[Path, int] = {}


class Heard(logging.Handler):
    """Every line that is logged in this process, whatever the level that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it as a formatter would show it, with its stack."""
        self.lines.append(logging.Formatter().format(record))


_heard = Heard()


def leaked(text: str) -> list[str]:
    """The lines with a text of a product or a secret."""
    return [line for line in text.splitlines() if TEXT in line or SECRET in line]


def listen() -> None:
    """From now on, remember what is logged in this process and which processes it starts."""
    logging.getLogger().addHandler(_heard)
    make = Child.__init__

    def make_and_remember(child: Child, *arguments: object, **named: object) -> None:
        make(child, *arguments, **named)
        if child.name not in _OTHERS:
            _logs[child.log] = 0

    Child.__init__ = make_and_remember


def written() -> Iterator[tuple[str, str]]:
    """What was written since the last call: where, and the text."""
    lines, _heard.lines = _heard.lines, []
    yield "the log of this process", "\n".join(lines)
    for path, read in list(_logs.items()):
        if not path.is_file():
            del _logs[path]
            continue
        with path.open("rb") as log:
            log.seek(read)
            new = log.read()
        _logs[path] = read + len(new)
        yield f"the log of {path.stem}", new.decode("utf-8", "replace")
    for registry in (metrics.WORKER, metrics.ARRIVALS, metrics.SERVER):
        yield "the metrics", generate_latest(registry).decode()


def _logs_in(folder: Path | None) -> Iterator[tuple[str, str]]:
    """The logs in a test's own folder, of processes that it started in another way."""
    for path in folder.rglob("*.log") if folder is not None and folder.is_dir() else ():
        if path.stem in _OTHERS:
            continue
        yield f"the log of {path.stem}", path.read_text(encoding="utf-8", errors="replace")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Let a test fail that left a text or a secret in what can be read by others."""
    report = yield
    # The last report of a test, with all that was captured.
    if item.nodeid.startswith(_SEARCHED) and call.when == "teardown":
        for where, text in (*report.sections, *written(), *_logs_in(getattr(item, "funcargs", {}).get("tmp_path"))):
            if lines := leaked(text):
                report.outcome = "failed"
                report.longrepr = f"{where} has a text of a product or a secret: {lines[0][:500]}"
    return report
