"""Run imports, wheels and unit tests on the other supported Pythons that are installed: `python .ci/pythons.py`.

The supported ones are the classifiers of pyproject.toml. The complete suite runs on the Python that runs this script;
the others get an environment each (`.venv-3.12`, ...) with everything but torch and what is built on it, and tests that
need these are skipped. What did not run is printed with the reason.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
# Not installed on the other Pythons: torch alone is larger than everything else, and its build is made for one Python.
HEAVY = re.compile(r"(torch|transformers|accelerate|peft|onnx|onnxscript)\b")
TESTS = ("tests/unit", "tests/packaging")
# Thousands of random runs, which find nothing on one Python that they do not find on another.
LONG = (
    "tests/unit/test_lookup_races.py::test_freshness_is_true_in_every_interleaving",
    "tests/unit/test_worker_invariants.py::test_under_random_failures_nothing_is_lost_and_nothing_older_wins",
)


class NotRunError(Exception):
    """A Python cannot be tested here; the message says why."""


def main() -> int:
    """Test each Python, print one line for each; 1 if the tests of one failed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [found for line in project["classifiers"] if (found := line.rpartition(" :: ")[2]).startswith("3.")]
    lines, failed = [], False
    for version in versions:
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            continue
        try:
            print(f"Python {version} ...", flush=True)
            code, summary = run_tests(prepare(version, project))
            failed |= code != 0
            lines.append(f"Python {version}: {summary}")
        except NotRunError as reason:
            lines.append(f"Python {version}: not run ({reason})")
    print(*lines, sep="\n")
    return int(failed)


def prepare(version: str, project: dict[str, object]) -> Path:
    """The interpreter of the environment for `version`, installed again if what it needs has changed.

    Raises:
        NotRunError: there is no such Python, or pip cannot install.
    """
    python = next(interpreters(version), None)
    if python is None:
        msg = "not installed"
        raise NotRunError(msg)
    venv = ROOT / f".venv-{version}"
    extras: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    light = [each for each in extras["train"] if not HEAVY.match(each)]
    done = venv / ".installed"
    state = hashlib.sha256(json.dumps(project, sort_keys=True).encode())
    for path in (ROOT / "deploy" / "client" / "pyproject.toml", CONSTRAINTS):
        state.update(path.read_bytes())
    if done.exists() and done.read_text(encoding="utf-8") == state.hexdigest():
        return venv / "bin" / "python"
    shutil.rmtree(venv, ignore_errors=True)
    call(python, "-m", "venv", str(venv))
    inside = venv / "bin" / "python"
    pip = (inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", str(CONSTRAINTS))
    editable = ("--config-settings", "editable_mode=compat", "-e", "deploy/client", "-e", ".[local,test]")
    call(*pip, *editable, *light)
    done.write_text(state.hexdigest(), encoding="utf-8")
    return inside


def interpreters(version: str) -> Iterator[Path]:
    """Interpreters of a version that start: on the path, and those that pyenv has."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = shutil.which("pyenv")
    if pyenv:
        root = Path(output(pyenv, "root"))
        newest_first = sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)
        candidates += [str(path) for path in newest_first]
    for candidate in candidates:
        if candidate and output(candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == version:
            yield Path(candidate)


def run_tests(python: Path) -> tuple[int, str]:
    """The exit code of pytest and its closing line."""
    process = subprocess.Popen(
        [
            *(str(python), "-m", "pytest", "-q", "-n", "logical", "--maxprocesses", "4"),
            *(f"--deselect={test}" for test in LONG),
            *TESTS,
        ],
        cwd=ROOT,
        env={**environment(), "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    summary = "no closing line"
    for line in process.stdout:
        print(line, end="", flush=True)
        if re.search(r"\d+ (passed|failed|error)", line):
            summary = line.strip().strip("= ")
    return process.wait(), summary


def call(*command: str | Path) -> None:
    """Run a command of the installation.

    Raises:
        NotRunError: it failed; with the last line that it wrote.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        msg = f"cannot be installed: {lines[-1].strip() if lines else command[0]}"
        raise NotRunError(msg)


def output(*command: str) -> str:
    """What a command prints, without the last newline; empty if it fails."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def environment() -> dict[str, str]:
    """The environment without what belongs to the Python that runs this script."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


if __name__ == "__main__":
    sys.exit(main())
