"""Reading a bundle folder, every byte checked against the manifest."""

import hashlib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from tokenizers import Tokenizer

from hangtag.bundle.bundle import Bundle, check_fit
from hangtag.bundle.errors import BundleError
from hangtag.bundle.files import CALIBRATION, MANIFEST, MAX_BYTES, MODEL, SCHEMA, STARTER, THRESHOLDS, TOKENIZER
from hangtag.bundle.manifest import FORMAT, Manifest
from hangtag.bundle.weight_file import weights_from_bytes
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Calibration, Thresholds
from hangtag.text.tokens import ProductTokenizer
from hangtag.text.wide import Wide

_AGAIN = "copy the bundle again or make it anew"

Model = TypeVar("Model", bound=BaseModel)


def load_bundle(folder: Path | str = STARTER) -> Bundle:
    """Load a bundle; `"starter"` and no argument give the one that is installed with the package.

    Raises:
        BundleError: a file is missing, left over, too large or not the one the manifest names, or the parts do not fit
            each other. The message names the folder, the file and what to do.
    """
    folder = STARTER if folder == "starter" else Path(folder)
    if not folder.is_dir():
        msg = f"bundle {folder}: no such folder; name the folder that holds {MANIFEST}"
        raise BundleError(msg)
    try:
        return _load(folder)
    except BundleError as error:
        msg = f"bundle {folder}: {error}"
        raise BundleError(msg) from error


def _load(folder: Path) -> Bundle:
    manifest = read_manifest(folder)
    # Names with a leading dot are the file system's and the mount's own and are never read.
    found = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    if extra := found - set(MAX_BYTES):
        msg = f"{min(extra)} does not belong into a bundle: remove it"
        raise BundleError(msg)
    content = {name: _verified(folder, manifest, name) for name in MAX_BYTES if name != MANIFEST}
    schema = _parse(TagSchema, SCHEMA, content[SCHEMA])
    thresholds = _parse(Thresholds, THRESHOLDS, content[THRESHOLDS])
    calibration = _parse(Calibration, CALIBRATION, content[CALIBRATION])
    check_fit(schema, thresholds, calibration)
    try:
        weights = weights_from_bytes(content[MODEL], manifest.encoder, len(schema.tags))
    except BundleError as error:
        msg = f"{MODEL}: {error}; {_AGAIN}"
        raise BundleError(msg) from error
    tokenizer = _tokenizer(content[TOKENIZER], manifest, weights.wide)
    return Bundle(manifest, schema, thresholds, calibration, tokenizer, weights)


def read_manifest(folder: Path) -> Manifest:
    """Read and check a folder's manifest alone.

    Raises:
        BundleError: it is missing, broken, of another format, or its version does not fit its content.
    """
    content = _read(folder, MANIFEST)
    manifest = _parse(Manifest, MANIFEST, content)
    if set(manifest.files) != set(MAX_BYTES) - {MANIFEST}:
        msg = f"{MANIFEST} lists {sorted(manifest.files)}, not the files of a format {FORMAT} bundle; {_AGAIN}"
        raise BundleError(msg)
    if manifest.content_hash() != manifest.version:
        msg = f"{MANIFEST} was changed after the bundle was made (its version does not fit its content); {_AGAIN}"
        raise BundleError(msg)
    return manifest


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        size = path.stat().st_size
        if size > MAX_BYTES[name]:
            msg = f"{name} has {size} bytes, more than the {MAX_BYTES[name]} that a bundle may have; {_AGAIN}"
            raise BundleError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{name}: {error.strerror}; {_AGAIN}"
        raise BundleError(msg) from error


def _verified(folder: Path, manifest: Manifest, name: str) -> bytes:
    content = _read(folder, name)
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest.files[name]:
        msg = f"{name} has sha256 {digest}, the manifest says {manifest.files[name]}; {_AGAIN}"
        raise BundleError(msg)
    return content


def _parse(model: type[Model], name: str, content: bytes) -> Model:
    try:
        return model.model_validate_json(content)
    except ValueError as error:
        newer = " or upgrade hangtag, if a newer one made it" if name == MANIFEST else ""
        msg = f"{name}: {error}; {_AGAIN}{newer}"
        raise BundleError(msg) from error


def _tokenizer(content: bytes, manifest: Manifest, wide: Wide | None) -> ProductTokenizer:
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # the tokenizers library raises bare Exception
        msg = f"{TOKENIZER}: {error}; {_AGAIN}"
        raise BundleError(msg) from error
    if max(tokenizer.get_vocab().values(), default=0) >= manifest.encoder.vocab:
        msg = f"{TOKENIZER} knows tokens beyond the {manifest.encoder.vocab} rows of the word embedding; {_AGAIN}"
        raise BundleError(msg)
    return ProductTokenizer(tokenizer, manifest.encoder.max_tokens, wide, manifest.encoder.tail_tokens)
