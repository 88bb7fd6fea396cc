"""Virtual environments in which only what a user installs is installed."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CONSTRAINTS = Path(__file__).resolve().parents[2] / "deploy" / "constraints.txt"
_OFFLINE = re.compile(r"ConnectionError|ConnectTimeout|Temporary failure in name resolution|Network is unreachable")


class Venv:
    """A virtual environment of the running Python in `folder`, with nothing but pip at first."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; Python does not find this project's sources. Never raises."""
        hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        return subprocess.run(
            [str(self._bin / command[0]), *command[1:]],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def pip(self, *arguments: str) -> None:
        """Run pip. Without a network the test is skipped."""
        done = self.run("python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
        if done.returncode and _OFFLINE.search(done.stderr):
            pytest.skip("pip cannot download here")
        assert done.returncode == 0, done.stderr

    def install(self, *what: str) -> None:
        """Install in the versions that Hangtag is tested with."""
        self.pip("install", "--constraint", str(CONSTRAINTS), *what)

    def distributions(self) -> set[str]:
        """The names of what is installed."""
        listed = self.run("python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check")
        assert listed.returncode == 0, listed.stderr
        return {line.split("==")[0].lower() for line in listed.stdout.split()}

    def files(self, package: str) -> Sequence[str]:
        """The files of an installed package, byte code left out, relative to `site-packages`."""
        (site,) = self._bin.parent.glob("lib/python*/site-packages")
        found = (site / package).rglob("*")
        return sorted(str(path.relative_to(site)) for path in found if path.is_file() and path.suffix != ".pyc")
