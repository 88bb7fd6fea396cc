"""Writing a bundle folder, whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hangtag.bundle.bundle import check_fit
from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError
from hangtag.bundle.files import CALIBRATION, MANIFEST, MAX_BYTES, MODEL, SCHEMA, THRESHOLDS, TOKENIZER
from hangtag.bundle.load import load_bundle
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.weight_file import weights_to_bytes
from hangtag.bundle.weights import Weights
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Calibration, Thresholds
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
    thresholds: Thresholds,
    calibration: Calibration,
    tokenizer: ProductTokenizer,
    weights: Weights,
) -> Manifest:
    """Write a bundle and return its manifest; a bundle that is already in `folder` is replaced.

    Everything is written and read back beside `folder` first, then renamed into place.

    Raises:
        BundleError: the parts do not fit each other, or `folder` holds something that is no bundle.
        OSError: the disk.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow a link that stands for the folder)
    check_place(folder)
    check_fit(schema, thresholds, calibration)
    content = {
        SCHEMA: schema.to_json().encode(),
        THRESHOLDS: thresholds.model_dump_json(indent=1).encode(),
        CALIBRATION: calibration.model_dump_json(indent=1).encode(),
        TOKENIZER: tokenizer.to_json().encode(),
        MODEL: weights_to_bytes(weights),
    }
    manifest = Manifest.of(
        {file: hashlib.sha256(data).hexdigest() for file, data in content.items()},
        name=name,
        created=created,
        base_model=base_model,
        data_fingerprint=data_fingerprint,
        recipe=recipe,
        metrics=metrics,
        encoder=encoder,
    )
    content[MANIFEST] = manifest.to_json().encode()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        part.chmod(0o755)  # mkdtemp made it for this user alone
        for file, data in content.items():
            _write(part / file, data)
        load_bundle(part)
        _put_in_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def copy_bundle(source: Path, folder: Path, keep: Path | None = None) -> None:
    """Put a copy of the bundle in `source` into `folder`, whole or not at all, and what was there into `keep`.

    Raises:
        BundleError: `source` is no bundle, or `folder` or `keep` hold something that is none.
        OSError: the disk.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (likewise)
    for place in (folder, keep):
        if place is not None:
            check_place(place)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        part.chmod(0o755)
        for file in MAX_BYTES:
            _write(part / file, (source / file).read_bytes())
        load_bundle(part)
        if keep is not None and folder.is_dir():
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(folder, keep)
        _put_in_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_place(folder: Path) -> None:
    """See that a bundle may be written to this folder: nothing is there, or nothing but a bundle.

    Raises:
        BundleError: something else is there.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        msg = f"bundle {folder}: is no folder; name another place"
        raise BundleError(msg)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        msg = (
            f"bundle {folder}: holds files but no {MANIFEST}, so it is not overwritten; name another or an empty folder"
        )
        raise BundleError(msg)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(part: Path, folder: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    was_there = folder.is_dir()
    try:
        if was_there:
            folder.rename(old)
        part.rename(folder)
    except BaseException:  # a signal in between must not leave the place empty
        if was_there and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
