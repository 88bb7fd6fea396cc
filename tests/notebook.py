"""Notebooks whose cells are commands: run in this process, and written as a page."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError

ROOT = Path(__file__).resolve().parents[1]
# Lines of an output that a page shows.
_MOST_LINES = 45
_WRITE = re.compile(r"%%writefile (\S+)\n(.*)", re.DOTALL)


class Notebook:
    """A notebook of the documentation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = json.loads(path.read_text("utf-8"))

    @property
    def code(self) -> list[dict[str, Any]]:
        """Its cells with commands."""
        return [cell for cell in self.content["cells"] if cell["cell_type"] == "code"]

    def write(self) -> None:
        """Write the notebook with its outputs, and a page of the same name."""
        self.path.write_text(json.dumps(self.content, ensure_ascii=False, indent=1) + "\n", "utf-8")
        self.path.with_suffix(".md").write_text(self.page(), "utf-8")

    def page(self) -> str:
        """The notebook as Markdown."""
        parts = []
        for cell in self.content["cells"]:
            source = source_of(cell)
            if cell["cell_type"] == "markdown":
                parts.append(source)
                continue
            if written := _WRITE.fullmatch(source):
                parts.append(
                    f"`{written[1]}`:\n\n```toml\n{written[2].strip()}\n```".replace("```toml", _fence(written[1]))
                )
                continue
            commands = "\n".join(line.removeprefix("!") for line in source.splitlines())
            parts.append(f"```sh\n{commands}\n```")
            if text := output_of(cell).rstrip():
                parts.append(f"```text\n{text}\n```")
        return "\n\n".join(parts) + "\n"


def _fence(name: str) -> str:
    return f"```{Path(name).suffix.removeprefix('.')}"


def source_of(cell: dict[str, Any]) -> str:
    """A cell's text."""
    return "".join(cell["source"])


def output_of(cell: dict[str, Any]) -> str:
    """What the notebook says that a cell printed."""
    return "".join(line for output in cell["outputs"] for line in output["text"])


def run_cell(cell: dict[str, Any]) -> list[tuple[list[str], int, str]]:
    """Run a cell in the current folder: each command with its exit code and what it printed."""
    source = source_of(cell)
    if written := _WRITE.fullmatch(source):
        Path(written[1]).write_text(written[2], "utf-8")
        return []
    return [_run(shlex.split(line.removeprefix("!"))) for line in source.splitlines()]


def _run(command: list[str]) -> tuple[list[str], int, str]:
    if command[0] == "hangtag":
        done = CliRunner().invoke(app, command[1:])
        failure = f"hangtag: {done.exception}\n" if isinstance(done.exception, CommandError) else ""
        return command, done.exit_code, done.output + failure
    if command[0] == "python":
        command = [sys.executable, *(str(ROOT / each) if (ROOT / each).is_file() else each for each in command[1:])]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return command, finished.returncode, finished.stdout + finished.stderr


def set_output(cell: dict[str, Any], texts: list[str]) -> None:
    """Store what a cell printed, shortened."""
    lines = [line.rstrip() + "\n" for line in "".join(texts).splitlines()]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more lines\n"]
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []
