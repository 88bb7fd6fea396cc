"""The project's own checks: what they report, and that they report what they did not check."""

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """A script of `.ci/`, which is not a package."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_package_that_the_audit_skipped_is_reported_as_not_run():
    lines = load("audit").report([{"name": "grpcio", "skip_reason": "Dependency not found: grpcio (1.0)"}])

    assert lines == ["pip-audit: not run for 1 of 1 packages (grpcio): Dependency not found (1)"]


def test_a_known_vulnerability_is_reported_with_the_version_that_fixes_it():
    found = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
    lines = load("audit").report(
        [
            {"name": "grpcio", "version": "1.0", "vulns": [found]},
            {"name": "redis", "version": "8.0", "vulns": []},
        ]
    )

    assert lines == [
        "pip-audit: grpcio 1.0 has PYSEC-1, fixed in 2.0",
        "pip-audit: 2 packages checked, 1 with a known vulnerability",
    ]


def test_a_secret_is_found_and_an_example_of_one_is_not(tmp_path, monkeypatch):
    pytest.importorskip("detect_secrets", reason="detect-secrets is not installed (extra dev)")
    settings = tmp_path / "settings.py"
    staple = "correct-horse-" + "battery"
    settings.write_text(f'URL = "redis://user:{staple}@cache:6379"\nEXAMPLE = "redis://user:secret@cache:6379"\n')
    monkeypatch.chdir(ROOT)

    assert load("secrets").new_secrets([str(settings)]) == [(str(settings), 1, "Basic Auth Credentials")]


def test_a_python_that_is_not_installed_is_reported_as_not_run():
    pythons = load("pythons")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    with pytest.raises(pythons.NotRunError, match="not installed"):
        pythons.prepare("3.99", project)


def test_an_interpreter_is_the_version_that_was_asked_for():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    for python in load("pythons").interpreters(version):
        assert python.exists()
        assert version in load("pythons").output(str(python), "--version")
