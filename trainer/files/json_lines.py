"""Figures of training steps, one JSON object per line."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hangtag.trainer.files.atomic_file import write_text


def append_line(file: Path, figures: Mapping[str, Any]) -> None:
    """Append one object as a line."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(figures) + "\n")


def keep_lines(file: Path, is_kept: Callable[[Mapping[str, Any]], bool]) -> None:
    """Rewrite the file (which may be missing) with only the lines that `is_kept` accepts.

    Incomplete lines, which a kill or a full disk leaves behind, are dropped.
    """
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    kept = [line for line in lines if (figures := _parsed(line)) is not None and is_kept(figures)]
    write_text(file, "".join(f"{line}\n" for line in kept))


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        figures = json.loads(line)
    except json.JSONDecodeError:
        return None
    return figures if isinstance(figures, dict) else None
