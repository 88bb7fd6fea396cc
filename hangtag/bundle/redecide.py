"""New thresholds and calibration for a bundle; its weights stay the same to the byte."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hangtag.bundle.bundle import check_fit
from hangtag.bundle.errors import naming
from hangtag.bundle.files import SCHEMA
from hangtag.bundle.load import parse, read_manifest, verified_file
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.place import put_bundle
from hangtag.bundle.scope import Scope
from hangtag.bundle.version import version_of
from hangtag.bundle.write import files_of, sections_of
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds


def redecide_bundle(
    source: Path,
    folder: Path,
    *,
    thresholds: KeyedThresholds,
    calibration: KeyedCalibration,
    recipe: Mapping[str, Any],
    metrics: Mapping[str, Any],
    scope: Scope | None = None,
) -> Manifest:
    """Write the bundle in `source` with other thresholds and calibration to `folder`, which may be the same.

    The files of schema, tokenizer and weights are copied as they are, and so are optional sections. `scope` is that of
    the bundle, with the same or with other thresholds; without it the new bundle has none. `recipe` and
    `metrics` are those of the new manifest; its other fields are those of the old one, except version and integrity.

    Raises:
        BundleError: `source` does not hold an undamaged bundle, the parts do not fit each other, or `folder` holds
            something that is not a bundle.
        OSError: a file cannot be written.
    """
    with naming(source):
        old = read_manifest(source)
        content = {name: verified_file(source, section.file, section.sha256) for name, section in old.sections.items()}
        schema = parse(TagSchema, SCHEMA, content["schema"])
        check_fit(schema, thresholds, calibration)
    content["thresholds"] = thresholds.model_dump_json(indent=1).encode()
    content["calibration"] = calibration.model_dump_json(indent=1).encode()
    content.pop("scope", None)
    if scope is not None:
        content["scope"] = scope.model_dump_json(indent=1).encode()
    kept = {name: section for name, section in old.sections.items() if name in content}
    sections = {**kept, **sections_of(content)}
    version = version_of(
        old.encoder,
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
        name=old.name,
        created=old.created,
        base_model=old.base_model,
        data_fingerprint=old.data_fingerprint,
        recipe=recipe,
        metrics=metrics,
        encoder=old.encoder,
    )
    put_bundle(folder, files_of(manifest, content))
    return manifest
