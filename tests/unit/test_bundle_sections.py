"""Sections and formats: what a reader refuses, ignores or converts."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hangtag.bundle import STARTER, BundleError, copy_bundle, load_bundle, read_manifest, upgrade_bundle
from hangtag.bundle import files as bundle_files
from hangtag.cli.app import app
from tests.unit.test_bundle import write, write_manifest

DRIFT = b'{"mean": 0.5}'
Fields = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "bundle")
    return tmp_path / "bundle"


def fields_of(folder: Path) -> Fields:
    fields: Fields = json.loads((folder / "manifest.json").read_text())
    return fields


def add_section(folder: Path, *, required: bool, file: str = "drift.json") -> None:
    (folder / file).write_bytes(DRIFT)
    fields = fields_of(folder)
    digest = hashlib.sha256(DRIFT).hexdigest()
    fields["sections"]["drift"] = {"file": file, "sha256": digest, "required": required}
    write_manifest(folder, fields)


def test_an_unknown_required_section_is_refused_by_name(folder: Path) -> None:
    add_section(folder, required=True)
    with pytest.raises(BundleError, match="requires the section 'drift'.*upgrade hangtag"):
        load_bundle(folder)


def test_an_unknown_optional_section_is_ignored_and_does_not_change_the_version(folder: Path) -> None:
    version = load_bundle(folder).version
    add_section(folder, required=False)
    assert load_bundle(folder).version == version


def test_a_copy_has_the_optional_sections_too(folder: Path, tmp_path: Path) -> None:
    add_section(folder, required=False)
    copy_bundle(folder, tmp_path / "copy")
    assert (tmp_path / "copy" / "drift.json").read_bytes() == DRIFT


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"{}"), r"drift\.json has sha256"),
        (lambda path: path.unlink(), r"drift\.json: No such file"),
    ],
)
def test_a_listed_optional_section_must_be_there_and_unchanged(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    add_section(folder, required=False)
    damage(folder / "drift.json")
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_an_optional_section_has_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_section(folder, required=False)
    monkeypatch.setattr(bundle_files, "_MAX_OTHER_BYTES", len(DRIFT) - 1)
    with pytest.raises(BundleError, match=r"drift\.json has 13 bytes, more than the 12"):
        load_bundle(folder)


def _optional_model(sections: Fields) -> None:
    sections["model"]["required"] = False


def _other_file(sections: Fields) -> None:
    sections["model"]["file"] = "weights.safetensors"


def _no_calibration(sections: Fields) -> None:
    del sections["calibration"]


def _manifest_as_section(sections: Fields) -> None:
    sections["drift"] = {"file": "manifest.json", "sha256": "0" * 64, "required": False}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_optional_model, r"must list model\.safetensors as the required section 'model'"),
        (_other_file, r"must list model\.safetensors as the required section 'model'"),
        (_no_calibration, r"must list calibration\.json as the required section 'calibration'"),
        (_manifest_as_section, r"lists manifest\.json 2 times"),
    ],
)
def test_sections_that_make_no_bundle_are_refused(folder: Path, change: Callable[[Fields], None], message: str) -> None:
    fields = fields_of(folder)
    change(fields["sections"])
    write_manifest(folder, fields)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("file", ["../drift.json", "a/b", ".hidden", ""])
def test_a_section_is_a_plain_file_of_the_folder(folder: Path, file: str) -> None:
    fields = fields_of(folder)
    fields["sections"]["drift"] = {"file": file, "sha256": "0" * 64, "required": False}
    (folder / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(BundleError, match=r"sections\.drift\.file"):
        load_bundle(folder)


def test_a_newer_format_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps(fields_of(folder) | {"format": 3}))
    with pytest.raises(BundleError, match="format 3, this hangtag reads format 2; upgrade hangtag"):
        load_bundle(folder)


def make_format_1(folder: Path) -> None:
    """Rewrite a bundle as the first version of hangtag wrote it."""
    fields = fields_of(folder)
    for name in ("thresholds", "calibration"):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text())["product"]["full"], indent=1))
    files = {section["file"] for section in fields.pop("sections").values()}
    fields["files"] = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}
    fields["format"] = 1
    del fields["integrity"], fields["version"], fields["encoder"]["tail_tokens"]
    own = json.dumps({key: value for key, value in fields.items() if key != "files"}, sort_keys=True)
    lines = [*(f"{file} {digest}" for file, digest in sorted(fields["files"].items())), own]
    fields["version"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(fields, indent=1))


def test_format_1_is_refused_with_the_command_that_converts_it(folder: Path) -> None:
    make_format_1(folder)
    with pytest.raises(BundleError, match=f"format 1.*hangtag bundle upgrade {folder}$"):
        load_bundle(folder)


def test_upgrading_format_1_gives_the_bundle_that_would_be_written_now(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make_format_1(folder)

    manifest = upgrade_bundle(folder)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert load_bundle(folder).manifest == manifest


def test_upgrading_the_current_format_changes_nothing(folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert upgrade_bundle(folder) == read_manifest(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("schema.json", r"schema\.json has sha256"),
        ("manifest.json", r"manifest\.json was changed"),
        ("more.json", "not listed"),
    ],
)
def test_a_damaged_bundle_of_format_1_is_not_upgraded(folder: Path, file: str, message: str) -> None:
    make_format_1(folder)
    path = folder / file
    path.write_text(path.read_text().replace("tiny", "Tiny").replace("red", "Red") if path.exists() else "{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BundleError, match=message):
        upgrade_bundle(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '{"format": 1}'])
def test_what_is_not_a_bundle_is_not_upgraded(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=r"manifest\.json is not the manifest of a bundle"):
        upgrade_bundle(tmp_path)


def test_upgrade_command(folder: Path) -> None:
    make_format_1(folder)
    done = CliRunner().invoke(app, ["bundle", "upgrade", str(folder)])
    assert (done.exit_code, done.output) == (
        0,
        f"{folder} has format 2, version {load_bundle(folder).version[:12]}\n",
    )
    shown = CliRunner().invoke(app, ["bundle", "upgrade", "--help"])
    assert "Example: hangtag bundle upgrade" in shown.output


def test_the_starter_has_the_current_format(tmp_path: Path) -> None:
    shutil.copytree(STARTER, tmp_path / "starter")
    assert upgrade_bundle(tmp_path / "starter") == read_manifest(STARTER)
