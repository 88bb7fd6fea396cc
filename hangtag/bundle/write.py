"""Writing and copying bundles."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hangtag.bundle.bundle import check_fit
from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import naming
from hangtag.bundle.files import FURTHER_FILES, MANIFEST, SECTION_FILES
from hangtag.bundle.load import read_file, read_manifest
from hangtag.bundle.manifest import Manifest, Section
from hangtag.bundle.place import check_place, put_bundle
from hangtag.bundle.scope import Scope
from hangtag.bundle.version import version_of
from hangtag.bundle.weight_file import weights_to_bytes
from hangtag.bundle.weights import Weights
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds
from hangtag.text.tokens import ProductTokenizer


def write_bundle(
    folder: Path,
    *,
    name: str,
    created: str,
    base_model: str,
    data_fingerprint: str,
    recipe: Mapping[str, Any],
    metrics: Mapping[str, Any],
    encoder: EncoderConfig,
    schema: TagSchema,
    thresholds: KeyedThresholds,
    calibration: KeyedCalibration,
    tokenizer: ProductTokenizer,
    weights: Weights,
    scope: Scope | None = None,
) -> Manifest:
    """Write a bundle and return its manifest; a bundle that is already in `folder` is replaced.

    Everything is written beside `folder` and read back, then renamed into place.

    Raises:
        BundleError: the parts do not fit each other, or `folder` holds something that is not a bundle.
        OSError: a file cannot be written.
    """
    check_place(folder)
    check_fit(schema, thresholds, calibration)
    content = {
        "schema": schema.to_json().encode(),
        "tokenizer": tokenizer.to_json().encode(),
        "thresholds": thresholds.model_dump_json(indent=1).encode(),
        "calibration": calibration.model_dump_json(indent=1).encode(),
        "model": weights_to_bytes(weights),
    }
    if scope is not None:
        content["scope"] = scope.model_dump_json(indent=1).encode()
    sections = sections_of(content)
    version = version_of(
        encoder,
        schema,
        thresholds,
        calibration,
        tokenizer_sha256=sections["tokenizer"].sha256,
        model_sha256=sections["model"].sha256,
        scope=scope,
    )
    manifest = Manifest.create(
        version,
        sections,
        name=name,
        created=created,
        base_model=base_model,
        data_fingerprint=data_fingerprint,
        recipe=recipe,
        metrics=metrics,
        encoder=encoder,
    )
    put_bundle(folder, files_of(manifest, content))
    return manifest


def copy_bundle(source: Path, folder: Path, keep: Path | None = None) -> None:
    """Copy the bundle in `source` to `folder`, completely or not at all; `keep` gets what was there before.

    Raises:
        BundleError: `source` is not a bundle, or `folder` or `keep` hold something else than a bundle.
        OSError: a file cannot be written.
    """
    with naming(source):
        content = {file: read_file(source, file) for file in read_manifest(source).files}
    put_bundle(folder, content, keep)


def sections_of(content: Mapping[str, bytes]) -> dict[str, Section]:
    """The manifest's entries for the content of the sections that determine answers, by section name."""
    return {
        name: Section(file=file, sha256=hashlib.sha256(content[name]).hexdigest(), required=True)
        for name, file in {**SECTION_FILES, **FURTHER_FILES}.items()
        if name in SECTION_FILES or name in content
    }


def files_of(manifest: Manifest, content: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a bundle by file name, from the content of its sections by section name."""
    files = {section.file: content[name] for name, section in manifest.sections.items()}
    return {**files, MANIFEST: manifest.to_json().encode()}
