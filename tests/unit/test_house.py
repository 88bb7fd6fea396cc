"""The house: imports point one way, the plain install has no torch, files stay small."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What each room may import of ours, from the lowest room to the highest. A room is a folder of `hangtag` or of the
# trainer, or a whole program. `hangtag.cli` is the one place that knows all three programs.
HANGTAG = {
    "hangtag.v1": set(),
    "hangtag.client": {"hangtag.v1"},
    "hangtag.settings": set(),
    "hangtag.text": set(),
    "hangtag.tags": {"hangtag.text"},
    "hangtag.filters": {"hangtag.v1", "hangtag.tags"},
    "hangtag.telemetry": {"hangtag.settings"},
    "hangtag.access": {"hangtag.settings", "hangtag.telemetry"},
    "hangtag.processes": {"hangtag.settings", "hangtag.telemetry"},
    "hangtag.kafka": {"hangtag.settings"},
    "hangtag.bundle": {"hangtag.text", "hangtag.tags"},
    "hangtag.engine": {"hangtag.text", "hangtag.bundle"},
    "hangtag.words": {"hangtag.text", "hangtag.tags"},
    "hangtag.evidence": {"hangtag.text", "hangtag.tags", "hangtag.bundle", "hangtag.words"},
    "hangtag.records": {"hangtag.v1", "hangtag.text", "hangtag.tags"},
    "hangtag.store": {"hangtag.settings", "hangtag.text", "hangtag.telemetry"},
    "hangtag.write": {
        f"hangtag.{name}" for name in ("v1", "settings", "text", "tags", "telemetry", "kafka", "records", "store")
    },
    "hangtag.export": {"hangtag.v1", "hangtag.store"},
    "hangtag.index": {f"hangtag.{name}" for name in ("v1", "tags", "store")},
    "hangtag.audit": {"hangtag.v1", "hangtag.settings", "hangtag.kafka"},
    "hangtag.models": {f"hangtag.{name}" for name in ("settings", "telemetry", "kafka", "bundle", "store", "audit")},
    "hangtag.letters": {"hangtag.settings", "hangtag.kafka", "hangtag.records"},
    "hangtag.tagger": {
        f"hangtag.{name}" for name in ("settings", "text", "tags", "telemetry", "bundle", "engine", "words", "evidence")
    },
    "hangtag.following": {
        f"hangtag.{name}" for name in ("settings", "telemetry", "bundle", "engine", "store", "models", "tagger")
    },
}
TRAINER = {
    "hangtag.trainer.errors": set(),
    "hangtag.trainer.recipe": set(),
    "hangtag.trainer.files": {"hangtag.trainer.recipe"},
    "hangtag.trainer.data": {"hangtag.trainer.files", "hangtag.trainer.recipe"},
    "hangtag.trainer.fitting": {f"hangtag.trainer.{name}" for name in ("data", "recipe", "files")},
    "hangtag.trainer.wide": {f"hangtag.trainer.{name}" for name in ("data", "recipe")},
    "hangtag.trainer.judging": {f"hangtag.trainer.{name}" for name in ("data", "recipe")},
    "hangtag.trainer.learning": {f"hangtag.trainer.{name}" for name in ("data", "judging", "recipe")},
    "hangtag.trainer.exporting": {"hangtag.trainer.files", "hangtag.trainer.fitting"},
    "hangtag.trainer.pretraining": {f"hangtag.trainer.{name}" for name in ("data", "files", "fitting")},
    "hangtag.trainer.releasing": {f"hangtag.trainer.{name}" for name in ("data", "files", "judging", "recipe")},
    "hangtag.trainer.teaching": {f"hangtag.trainer.{name}" for name in ("data", "files", "judging", "recipe")},
    "hangtag.trainer.running": {
        f"hangtag.trainer.{name}"
        for name in ("data", "exporting", "files", "fitting", "judging", "recipe", "teaching", "wide")
    },
    "hangtag.trainer.reporting": {
        f"hangtag.trainer.{name}" for name in ("data", "files", "fitting", "judging", "recipe", "running")
    },
    "hangtag.trainer.mistakes": {f"hangtag.trainer.{name}" for name in ("data", "files", "judging", "reporting")},
    "hangtag.trainer.choosing": {
        f"hangtag.trainer.{name}" for name in ("data", "files", "fitting", "judging", "recipe", "running")
    },
}
PROGRAMS = {"hangtag.server": {*HANGTAG}, "hangtag.workers": {*HANGTAG}}
MAY_IMPORT = {
    **HANGTAG,
    **{room: {*HANGTAG, "hangtag.trainer.errors", *others} - {room} for room, others in TRAINER.items()},
    **PROGRAMS,
    "hangtag.cli": {*HANGTAG, *TRAINER, *PROGRAMS},
}
HEAVY = {"torch", "transformers", "sklearn", "scipy"}
MAX_LINES = 400


def sources() -> list[Path]:
    rooms = ("hangtag", "server", "workers", "trainer")
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "hangtag/v1" not in str(path)]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "hangtag" else ("hangtag", *parts))


def room_of(module: str) -> str | None:
    """The longest name of a room that the module's name begins with."""
    names = [module.rsplit(".", cut)[0] for cut in range(module.count(".") + 1)]
    return next((name for name in names if name in MAY_IMPORT), None)


def arrows() -> set[tuple[str, str]]:
    """Which room imports which."""
    found = ((room_of(module_of(path)), room_of(module)) for path in sources() for module in imported(path))
    return {(room, target) for room, target in found if room and target and room != target}


def test_every_module_has_a_room():
    without = [str(path.relative_to(ROOT)) for path in sources() if room_of(module_of(path)) is None]

    assert without == ["hangtag/__init__.py", "trainer/__init__.py"]


def test_imports_point_one_way():
    wrong = []
    for path in sources():
        room = room_of(module_of(path))
        for module in sorted(imported(path)):
            target = room_of(module)
            if target is not None and target != room and target not in MAY_IMPORT.get(room, set()):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
            if module.split(".")[0] in {"server", "workers", "trainer"}:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}, which is installed as hangtag.{module}")

    assert wrong == []


def test_the_trainers_table_lists_only_imports_that_exist():
    used = {room: set() for room in TRAINER}
    for path in sources():
        used.setdefault(room_of(module_of(path)), set()).update(map(room_of, imported(path)))

    assert {room: sorted(others - used[room]) for room, others in TRAINER.items() if others - used[room]} == {}


def test_errors_of_the_trainer_have_one_base():
    errors = {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for path in sorted((ROOT / "trainer").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    }

    assert errors.pop("TrainerError") == ["Exception"]
    assert {name: bases for name, bases in errors.items() if "TrainerError" not in bases} == {}


def test_the_rooms_have_no_circles():
    order = list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())

    assert set(order) == set(MAY_IMPORT)


def test_tags_are_taken_apart_in_one_place():
    """`facet_of` and `value_of` are the only ones that know how a tag is written, and the client, which lacks them."""
    pattern = re.compile(r"""\.(split\(["']:["'], 1|partition\(["']:)""")
    paths = [*sources(), *sorted((ROOT / "benchmarks").glob("*.py"))]
    found = [str(path.relative_to(ROOT)) for path in paths if pattern.search(path.read_text(encoding="utf-8"))]

    assert found == ["hangtag/client/query.py", "hangtag/tags/tag.py"]


def test_files_have_one_noun_each():
    long = [str(path) for path in sources() if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES]

    assert long == []


@pytest.mark.parametrize(
    "modules",
    [
        "hangtag.server, hangtag.workers",
        "hangtag.cli.app",
        "hangtag.tagger.tagger, hangtag.server.program, hangtag.workers.program",
        "hangtag.cli.predict.job, hangtag.cli.local_suggestion",
    ],
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


@pytest.mark.parametrize(
    "modules",
    [
        "hangtag.tagger.probe, hangtag.tagger.planner, hangtag.tagger.isolate, hangtag.tagger.stage_thread",
        "hangtag.server.program",
    ],
)
def test_the_server_imports_no_runtime_of_an_engine(modules):
    """It gets its tagger from outside, so that only the process that opens one loads OpenVINO or torch."""
    program = f"""
import sys
import {modules}
assert not {{"openvino", "torch", "hangtag.engine"}} & set(sys.modules), sorted(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_client_imports_grpcio_and_protobuf_alone():
    """It is a distribution of its own, and whoever installs it gets nothing else."""
    program = """
import importlib.machinery as machinery, sys
find_spec = machinery.PathFinder.find_spec
there = sys.stdlib_module_names | {"grpc", "google", "hangtag", "typing_extensions"}
machinery.PathFinder.find_spec = lambda name, path=None, target=None: (
    find_spec(name, path, target) if name.split(".")[0] in there else None
)
import hangtag.client
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("hangtag.")}))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout == "client v1\n", done.stderr
