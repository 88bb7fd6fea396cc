"""The wheels, built once, and environments with them."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging.venvs import Venv

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels by the name of the distribution, built where earlier builds have left files behind."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in ("hangtag", "server", "workers", "trainer", "deploy"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for left in ("build/lib/server/left.py", "build/lib/hangtag/left.py", "deploy/client/build/lib/hangtag/left.py"):
        (source / left).parent.mkdir(parents=True)
        (source / left).write_text("")
    subprocess.run([sys.executable, str(source / "deploy" / "wheels.py"), str(target)], check=True)
    return {wheel.name.split("-")[0]: wheel for wheel in target.glob("*.whl")}


@pytest.fixture(scope="session")
def contents(wheels: dict[str, Path]) -> dict[str, set[str]]:
    """The files in each wheel, without its metadata."""
    names = {name: set(ZipFile(wheel).namelist()) for name, wheel in wheels.items()}
    return {name: {file for file in files if ".dist-info/" not in file} for name, files in names.items()}


@pytest.fixture(scope="session")
def plain(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """An environment with the plain install and the extra `local`; only read it."""
    venv = Venv(tmp_path_factory.mktemp("plain"))
    venv.install(str(wheels["hangtag_client"]), f"{wheels['hangtag']}[local]")
    return venv


@pytest.fixture(scope="session")
def client(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """An environment with the client alone; a test that installs something there removes it again."""
    venv = Venv(tmp_path_factory.mktemp("client"))
    venv.install(str(wheels["hangtag_client"]))
    return venv
