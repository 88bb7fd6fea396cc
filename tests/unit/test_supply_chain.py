"""What the images install, by hash, and what the documents about the distributions say."""

import importlib.metadata
import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.output.json import JsonV1Dot6
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PROJECTS = {"hangtag": ROOT / "pyproject.toml", "hangtag-client": DEPLOY / "client" / "pyproject.toml"}


def direct(project: Path) -> list[str]:
    """The dependencies that a project file names for the images."""
    content = tomllib.loads(project.read_text("utf-8"))["project"]
    return [*content["dependencies"], *content.get("optional-dependencies", {}).get("http", [])]


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deploy_sbom", DEPLOY / "sbom.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def hashed() -> dict[str, str]:
    """The packages of deploy/hashes.txt and their versions; each has hashes, and nothing else is there."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "hashes.txt").read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", "")
    entries = [line.split() for line in text.splitlines()]
    assert all(len(entry) > 1 for entry in entries)
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for entry in entries for each in entry[1:])
    return {canonicalize_name(entry[0].split("==")[0]): entry[0].split("==")[1] for entry in entries}


def pinned() -> dict[str, str]:
    lines = (DEPLOY / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_pinned_package_of_the_images_has_hashes(sbom: ModuleType) -> None:
    """`make hashes` has to be run after a change of the constraints or of the dependencies."""
    found, versions = hashed(), pinned()
    needed = {
        canonicalize_name(component.name) for name in sbom.DISTRIBUTIONS for component in sbom.sbom_of(name).components
    }

    # The installed metadata may be older than the files.
    needed |= {canonicalize_name(Requirement(each).name) for project in PROJECTS.values() for each in direct(project)}

    assert {name for name in needed if not name.startswith("hangtag")} - found.keys() == set()
    assert {name: version for name, version in found.items() if versions.get(name) != version} == {}


def test_the_images_install_by_hash_alone() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    plain = dockerfile.partition(" AS plain")[2].partition("\nFROM ")[0]
    installs = re.findall(r"pip install (.*?)(?=&&|$)", plain, re.MULTILINE)

    assert installs
    assert all("--require-hashes" in each or "--no-index --no-deps" in each for each in installs)


def test_an_sbom_names_every_package_of_its_distribution(sbom: ModuleType) -> None:
    for name in PROJECTS:
        written = json.loads(JsonV1Dot6(sbom.sbom_of(name)).output_as_string())
        requires = importlib.metadata.requires(name) or []
        purls = {f"pkg:pypi/{canonicalize_name(Requirement(each).name)}" for each in requires if "extra ==" not in each}
        named = {component["purl"].partition("@")[0] for component in written["components"]}

        assert written["specVersion"] == "1.6"
        assert written["metadata"]["component"]["name"] == name
        assert purls <= named
        (own,) = [each for each in written["dependencies"] if each["ref"] == f"pkg:pypi/{name}@0.1.0"]
        assert {ref.partition("@")[0] for ref in own["dependsOn"]} == purls
        # Extras that are not asked for are not part of it.
        assert not {"pkg:pypi/torch", "pkg:pypi/pytest"} & named


def test_the_compression_libraries_of_extras_are_named(sbom: ModuleType) -> None:
    named = {component.name for component in sbom.sbom_of("hangtag").components}

    assert {"hiredis", "lz4", "zstandard"} <= named
