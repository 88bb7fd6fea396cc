"""Figures as JSON lines, one a step, in a file that outlives the process."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hangtag.trainer.files.whole_file import write_text


def append_line(file: Path, figures: Mapping[str, Any]) -> None:
    """Add a line."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(figures) + "\n")


def keep_lines(file: Path, is_kept: Callable[[Mapping[str, Any]], bool]) -> None:
    """Leave only these lines, of a file that need not be there; what a kill or a full disk cut short goes."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    kept = []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            if is_kept(json.loads(line)):
                kept.append(line)
    write_text(file, "".join(f"{line}\n" for line in kept))
