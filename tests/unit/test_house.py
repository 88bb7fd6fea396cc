"""The house: imports point one way, the plain install has no torch, files stay small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"server", "workers", "trainer"}
# What each room may import of ours. hangtag/cli is the one place that knows all three programs.
MAY_IMPORT = {
    "hangtag": {"hangtag"},
    "server": {"hangtag", "server"},
    "workers": {"hangtag", "workers"},
    "trainer": {"hangtag", "trainer"},
    "hangtag/cli": {"hangtag", *PROGRAMS},
}
HEAVY = {"torch", "transformers", "sklearn", "scipy"}
MAX_LINES = 400


def sources() -> list[Path]:
    rooms = ("hangtag", *sorted(PROGRAMS))
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "hangtag/v1" not in str(path)]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return "hangtag/cli" if relative.is_relative_to("hangtag/cli") else relative.parts[0]


def test_imports_point_one_way():
    wrong = []
    for path in sources():
        room = room_of(path)
        modules = imported(path)
        ours = {module.split(".")[0] for module in modules} & {"hangtag", *PROGRAMS}
        wrong += [f"{path.relative_to(ROOT)} imports {each}" for each in ours - MAY_IMPORT[room]]
        if room != "hangtag/cli" and any(module.startswith("hangtag.cli") for module in modules):
            wrong.append(f"{path.relative_to(ROOT)} imports hangtag.cli")

    assert wrong == []


def test_files_have_one_noun_each():
    long = [str(path) for path in sources() if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES]

    assert long == []


@pytest.mark.parametrize(
    "modules", ["server, workers", "hangtag.cli.app", "hangtag.tagger, server.program, workers.program"]
)
def test_plain_install_needs_no_training_packages(modules):
    """A path finder that does not find them stands in for their absence, in a process of its own."""
    program = f"""
import importlib.machinery as machinery, sys
find_spec = machinery.PathFinder.find_spec
machinery.PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name.split(".")[0] in {HEAVY!r} else find_spec(name, path, target)
)
import {modules}
assert not {HEAVY!r} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
