"""What the two wheels contain and require."""

import email
import subprocess
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]

# The first test of the session also builds both wheels.
pytestmark = [pytest.mark.packaging, pytest.mark.timeout(120)]


def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode())


def requirements(wheel: Path) -> list[Requirement]:
    return [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", [])]


def test_no_file_is_in_both_wheels(contents):
    assert set(contents) == {"hangtag", "hangtag_client"}
    assert contents["hangtag"] & contents["hangtag_client"] == set()


def test_the_only_top_level_name_is_hangtag(contents):
    assert {file.split("/")[0] for files in contents.values() for file in files} == {"hangtag"}


def test_the_client_has_its_room_and_the_stubs_and_nothing_else(contents):
    rooms = {
        str(path.relative_to(ROOT)) for name in ("client", "v1") for path in (ROOT / "hangtag" / name).glob("*.py*")
    }

    assert contents["hangtag_client"] == {"hangtag/__init__.py", "hangtag/py.typed", *rooms}


def test_every_file_of_the_project_is_in_a_wheel_and_nothing_that_an_earlier_build_left(contents):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "hangtag", "server", "workers", "trainer"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip(f"git cannot list the project's files: {listed.stderr}")
    files = [name for name in listed.stdout.split() if (ROOT / name).is_file()]
    expected = {name if name.startswith("hangtag/") else f"hangtag/{name}" for name in files}

    assert contents["hangtag"] | contents["hangtag_client"] == expected


def test_the_client_requires_grpcio_and_protobuf_only(wheels):
    assert {requirement.name for requirement in requirements(wheels["hangtag_client"])} == {"grpcio", "protobuf"}


def test_both_have_one_version_and_hangtag_pins_the_client(wheels):
    version = metadata(wheels["hangtag"])["Version"]
    (client,) = [each for each in requirements(wheels["hangtag"]) if each.name == "hangtag-client"]

    assert metadata(wheels["hangtag_client"])["Version"] == version
    assert str(client.specifier) == f"=={version}"


def test_what_both_require_they_require_alike(wheels):
    of_client, of_hangtag = (
        {each.name: each for each in requirements(wheels[name]) if each.marker is None}
        for name in ("hangtag_client", "hangtag")
    )

    assert {name: of_hangtag[name].specifier for name in of_client} == {
        name: each.specifier for name, each in of_client.items()
    }
