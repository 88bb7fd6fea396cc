"""A worker as a process of its own for tests: `python worker_process.py SETTINGS_JSON BUNDLE SLOW_S`."""

import sys
import time
from pathlib import Path

from hangtag.settings import Settings
from hangtag.tagger.tagger import open_tagger
from hangtag.telemetry import configure_logs
from hangtag.workers import work


def main() -> None:
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    configure_logs(settings.log, "worker")
    tagger = open_tagger(settings.model)
    slow_s = float(sys.argv[2])
    if slow_s:
        fast = tagger.engine.forward

        def slow(tokens):
            time.sleep(slow_s)
            return fast(tokens)

        tagger.engine.forward = slow
    work(settings, tagger)


if __name__ == "__main__":
    main()
