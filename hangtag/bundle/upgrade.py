"""Converting a bundle of format 1, the only other one."""

import hashlib
import json
from pathlib import Path
from typing import Any

from hangtag.bundle.bundle import check_fit
from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError, naming
from hangtag.bundle.files import CALIBRATION, MANIFEST, SCHEMA, SECTION_FILES, THRESHOLDS
from hangtag.bundle.load import check_no_other_files, parse, read_file, read_manifest, shortened, verified_file
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.place import put_bundle
from hangtag.bundle.version import version_of
from hangtag.bundle.write import files_of, sections_of
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, Thresholds


def upgrade_bundle(folder: Path) -> Manifest:
    """Convert a bundle of format 1 to format 2, in place, and return its manifest. Its answers do not change.

    The files of schema, tokenizer and weights stay the same to the byte; thresholds and calibration become those of
    product texts on the full path. The version is another one. A bundle of format 2 is left as it is.

    Raises:
        BundleError: the folder does not hold an undamaged bundle of format 1 or 2.
        OSError: a file cannot be written.
    """
    with naming(folder):
        old = _manifest_of_format_1(folder)
        if old is None:
            return read_manifest(folder)
        try:
            manifest, files = _converted(folder, old)
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, BundleError):
                raise
            msg = f"{MANIFEST} lacks a field or has a wrong one ({shortened(error)}); create the bundle again"
            raise BundleError(msg) from error
    put_bundle(folder, files)
    return manifest


def _converted(folder: Path, old: dict[str, Any]) -> tuple[Manifest, dict[str, bytes]]:
    check_no_other_files(folder, [MANIFEST, *old["files"]])
    content = {name: verified_file(folder, file, old["files"][file]) for name, file in SECTION_FILES.items()}
    schema = parse(TagSchema, SCHEMA, content["schema"])
    thresholds = KeyedThresholds.of_products(parse(Thresholds, THRESHOLDS, content["thresholds"]))
    calibration = KeyedCalibration.of_products(parse(Calibration, CALIBRATION, content["calibration"]))
    check_fit(schema, thresholds, calibration)
    content["thresholds"] = thresholds.model_dump_json(indent=1).encode()
    content["calibration"] = calibration.model_dump_json(indent=1).encode()
    sections = sections_of(content)
    encoder = EncoderConfig.model_validate(old["encoder"])
    version = version_of(
        encoder,
        schema,
        thresholds,
        calibration,
        tokenizer_sha256=sections["tokenizer"].sha256,
        model_sha256=sections["model"].sha256,
    )
    kept = ("name", "created", "base_model", "data_fingerprint", "recipe", "metrics")
    manifest = Manifest.create(version, sections, encoder=encoder, **{field: old[field] for field in kept})
    return manifest, files_of(manifest, content)


def _manifest_of_format_1(folder: Path) -> dict[str, Any] | None:
    """The manifest of format 1, checked against its own hash; None if the bundle has another format."""
    try:
        manifest: dict[str, Any] = json.loads(read_file(folder, MANIFEST))
        if manifest["format"] != 1:
            return None
        own = {key: value for key, value in manifest.items() if key not in {"version", "files"}}
        lines = [f"{file} {digest}" for file, digest in sorted(manifest["files"].items())]
        lines.append(json.dumps(own, ensure_ascii=True, sort_keys=True, allow_nan=False))
        is_intact = hashlib.sha256("\n".join(lines).encode()).hexdigest() == manifest["version"]
        is_intact &= set(manifest["files"]) == set(SECTION_FILES.values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise
        reason = f"{type(error).__name__}: {shortened(error)}"
        msg = f"{MANIFEST} is not the manifest of a bundle ({reason}); name a bundle's folder"
        raise BundleError(msg) from error
    if not is_intact:
        msg = f"{MANIFEST} was changed after the bundle was made; copy the bundle again or create it again"
        raise BundleError(msg)
    return manifest
