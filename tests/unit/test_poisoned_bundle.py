"""A bundle that somebody made on purpose: its hashes are right, its content is an attack. Nothing of it is run."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest

from hangtag.bundle import BundleError, copy_bundle, load_bundle
from hangtag.bundle.version import version_of
from tests.unit.test_bundle import write, write_manifest
from tests.unit.test_bundle_sections import fields_of


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "bundle")
    return tmp_path / "bundle"


def poison(folder: Path, section: str, content: bytes) -> None:
    """Put this content into a section, with the hashes that an attacker can compute as well."""
    whole, fields = load_bundle(folder), fields_of(folder)
    (folder / fields["sections"][section]["file"]).write_bytes(content)
    fields["sections"][section]["sha256"] = hashlib.sha256(content).hexdigest()
    fields["version"] = version_of(
        whole.manifest.encoder,
        whole.schema,
        whole.thresholds,
        whole.calibration,
        tokenizer_sha256=fields["sections"]["tokenizer"]["sha256"],
        model_sha256=fields["sections"]["model"]["sha256"],
    )
    write_manifest(folder, fields)


@pytest.mark.parametrize("section", ["schema", "tokenizer", "thresholds", "calibration", "model"])
def test_a_pickle_in_place_of_a_section_is_refused_and_never_run(folder: Path, tmp_path: Path, section: str) -> None:
    content = pickle.dumps(Payload(tmp_path / "trace"))
    pickle.loads(content)
    (tmp_path / "trace").unlink()  # the pickle does what it is made for
    poison(folder, section, content)

    with pytest.raises(BundleError, match=rf"{section}\.(json|safetensors): "):
        load_bundle(folder)
    assert not (tmp_path / "trace").exists()


def test_a_path_out_of_the_folder_is_neither_read_nor_written(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    fields = fields_of(folder)
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()
    for file in ("../secret.json", str(secret), "a/../../secret.json", "..\\secret.json"):
        fields["sections"]["drift"] = {"file": file, "sha256": digest, "required": False}
        (folder / "manifest.json").write_text(json.dumps(fields))
        for use in (load_bundle, lambda folder: copy_bundle(folder, tmp_path / "copy")):
            with pytest.raises(BundleError, match=r"sections\.drift\.file"):
                use(folder)
    assert not (tmp_path / "copy").exists()


def test_weights_that_claim_more_than_they_have_are_refused(folder: Path) -> None:
    """A header of safetensors with 2^62 numbers: nothing of that size is asked for."""
    header = b'{"x":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,9223372036854775807]}}'
    poison(folder, "model", len(header).to_bytes(8, "little") + header)

    with pytest.raises(BundleError, match=r"model\.safetensors"):
        load_bundle(folder)
