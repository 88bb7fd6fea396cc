"""Reading a bundle folder, with every byte checked against the manifest."""

import hashlib
import json
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeVar

from pydantic import BaseModel
from tokenizers import Tokenizer

from hangtag.bundle.bundle import Bundle, check_fit
from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError, naming
from hangtag.bundle.files import (
    CALIBRATION,
    FURTHER_FILES,
    MANIFEST,
    MODEL,
    SCHEMA,
    SCOPE,
    SECTION_FILES,
    STARTER,
    THRESHOLDS,
    TOKENIZER,
    max_bytes,
)
from hangtag.bundle.manifest import FORMAT, Manifest
from hangtag.bundle.scope import Scope
from hangtag.bundle.version import version_of
from hangtag.bundle.weight_file import weights_from_bytes
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer
from hangtag.text.wide import Wide

_AGAIN = "copy the bundle again or create it again"

# Of what a manifest gives as its format.
_SHOWN = 40
_MOST_REASON = 1_000
# Of two segments and of one, long and short; the last character is in few vocabularies.
_TRIAL = (ProductText("blue cotton shirt", "a trial " * 1_000), ProductText("\U00029e3d"))
# What a file of a bundle is not to blame for.
_NOT_THE_FILE = (KeyboardInterrupt, SystemExit, MemoryError)

Model = TypeVar("Model", bound=BaseModel)


def load_bundle(folder: Path | str = STARTER) -> Bundle:
    """Load a bundle; `"starter"`, the default, is the bundle that is installed with the package.

    Raises:
        BundleError: a file is missing, too large, changed or not listed in the manifest, the manifest requires a
            section that is not supported, or the parts do not fit each other. The message names the folder, the file
            and what to do.
    """
    folder = STARTER if folder == "starter" else Path(folder)
    if not _is_folder(folder):
        msg = f"bundle {folder}: no such folder; name the folder that holds {MANIFEST}"
        raise BundleError(msg)
    with naming(folder):
        return _load(folder)


def read_schema(folder: Path | str = STARTER) -> TagSchema:
    """Read and check a bundle's tag schema alone, which is much faster than the bundle.

    Raises:
        BundleError: manifest or schema is missing, too large, changed or not valid.
    """
    folder = STARTER if folder == "starter" else Path(folder)
    with naming(folder):
        return parse(TagSchema, SCHEMA, verified_file(folder, SCHEMA, read_manifest(folder).sections["schema"].sha256))


def _load(folder: Path) -> Bundle:
    manifest = read_manifest(folder)
    check_no_other_files(folder, manifest.files)
    for name, section in manifest.sections.items():
        if name not in SECTION_FILES and not _is_scope(manifest, name):
            # Ignored, but part of the bundle: a damaged copy is refused whatever the damage.
            verified_file(folder, section.file, section.sha256)
    content = {
        name: verified_file(folder, file, manifest.sections[name].sha256) for name, file in SECTION_FILES.items()
    }
    schema = parse(TagSchema, SCHEMA, content["schema"])
    thresholds = parse(KeyedThresholds, THRESHOLDS, content["thresholds"])
    calibration = parse(KeyedCalibration, CALIBRATION, content["calibration"])
    check_fit(schema, thresholds, calibration)
    scope = _scope(folder, manifest)
    _check_version(manifest, schema, thresholds, calibration, scope)
    try:
        weights = weights_from_bytes(content["model"], manifest.encoder, len(schema.tags))
    except BundleError as error:
        msg = f"{MODEL}: {error}; {_AGAIN}"
        raise BundleError(msg) from error
    tokenizer = _tokenizer(content["tokenizer"], manifest, weights.wide)
    return Bundle(manifest, schema, thresholds, calibration, tokenizer, weights, scope)


def _is_scope(manifest: Manifest, name: str) -> bool:
    return name in FURTHER_FILES and manifest.sections[name].required


def _scope(folder: Path, manifest: Manifest) -> Scope | None:
    if "scope" not in manifest.sections or not _is_scope(manifest, "scope"):
        return None
    scope = parse(Scope, SCOPE, verified_file(folder, SCOPE, manifest.sections["scope"].sha256))
    if len(scope.weight) != manifest.encoder.hidden:
        msg = f"{SCOPE}: weight has {len(scope.weight)} numbers, not the encoder's {manifest.encoder.hidden}; {_AGAIN}"
        raise BundleError(msg)
    return scope


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest alone.

    Raises:
        BundleError: it is missing, not valid, of another format, was changed after the bundle was made, or requires a
            section that is not supported.
    """
    content = read_file(folder, MANIFEST)
    _check_format(content, folder)
    manifest = parse(Manifest, MANIFEST, content)
    if manifest.integrity_hash() != manifest.integrity:
        msg = f"{MANIFEST} was changed after the bundle was made (its integrity hash does not match); {_AGAIN}"
        raise BundleError(msg)
    manifest.check_sections()
    return manifest


def read_file(folder: Path, file: str) -> bytes:
    """The content of one file of a bundle.

    Raises:
        BundleError: it cannot be read or is too large.
    """
    path, limit = folder / file, max_bytes(file)
    try:
        found = path.stat()
        # Reading a pipe waits for ever, and a device may never end.
        if not (S_ISREG(found.st_mode) or S_ISDIR(found.st_mode)):
            msg = f"{file} is not a regular file; {_AGAIN}"
            raise BundleError(msg)
        if found.st_size > limit:
            msg = f"{file} has {found.st_size} bytes, more than the {limit} allowed in a bundle; {_AGAIN}"
            raise BundleError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{file}: {error.strerror}; {_AGAIN}"
        raise BundleError(msg) from error


def verified_file(folder: Path, file: str, sha256: str) -> bytes:
    """The content of one file of a bundle.

    Raises:
        BundleError: likewise, or it has another hash.
    """
    content = read_file(folder, file)
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        msg = f"{file} has sha256 {digest}, but {MANIFEST} lists {sha256}; {_AGAIN}"
        raise BundleError(msg)
    return content


def check_no_other_files(folder: Path, files: list[str]) -> None:
    """Check that the folder holds nothing but these files; names with a leading dot are never read.

    Raises:
        BundleError: it holds another one.
    """
    # A leading dot marks files of the file system or of a mount.
    found = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    if extra := found - set(files):
        msg = f"{min(extra)} is not listed in {MANIFEST}: remove the file"
        raise BundleError(msg)


def parse(model: type[Model], file: str, content: bytes) -> Model:
    """Read a JSON file of a bundle.

    Raises:
        BundleError: it is not valid.
    """
    try:
        return model.model_validate_json(content)
    except ValueError as error:
        msg = f"{file}: {shortened(error)}; {_AGAIN}, or upgrade hangtag if a newer version made it"
        raise BundleError(msg) from error


def _check_format(content: bytes, folder: Path) -> None:
    try:
        found = json.loads(content)["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return  # reported in full when it is parsed
    if not isinstance(found, int | float | str):
        return
    if found == 1:
        msg = f"the bundle has format 1, which is no longer read; convert it with: hangtag bundle upgrade {folder}"
        raise BundleError(msg)
    if found != FORMAT:
        msg = f"the bundle has format {str(found)[:_SHOWN]}, this hangtag reads format {FORMAT}; upgrade hangtag"
        raise BundleError(msg)


def _check_version(
    manifest: Manifest,
    schema: TagSchema,
    thresholds: KeyedThresholds,
    calibration: KeyedCalibration,
    scope: Scope | None,
) -> None:
    version = version_of(
        manifest.encoder,
        schema,
        thresholds,
        calibration,
        tokenizer_sha256=manifest.sections["tokenizer"].sha256,
        model_sha256=manifest.sections["model"].sha256,
        scope=scope,
    )
    if version != manifest.version:
        msg = f"{MANIFEST} has version {manifest.version}, the content has {version}; {_AGAIN}"
        raise BundleError(msg)


def _tokenizer(content: bytes, manifest: Manifest, wide: Wide | None) -> ProductTokenizer:
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except _NOT_THE_FILE:
        raise
    except BaseException as error:  # the tokenizers library raises bare Exception, and panics that are not even that
        msg = f"{TOKENIZER}: {shortened(error)}; {_AGAIN}"
        raise BundleError(msg) from error
    if max(tokenizer.get_vocab().values(), default=0) >= manifest.encoder.vocab:
        msg = f"{TOKENIZER} has token ids beyond the {manifest.encoder.vocab} rows of the word embedding; {_AGAIN}"
        raise BundleError(msg)
    return _tried(tokenizer, manifest.encoder, wide)


def _tried(tokenizer: Tokenizer, encoder: EncoderConfig, wide: Wide | None) -> ProductTokenizer:
    """The tokenizer, after a trial: the ids that it adds to a text by itself are not among those of its vocabulary."""
    try:
        result = ProductTokenizer(tokenizer, encoder.max_tokens, wide, encoder.tail_tokens)
        tokens = result(_TRIAL)
    except _NOT_THE_FILE:
        raise
    except BaseException as error:
        msg = f"{TOKENIZER} fails on a text ({shortened(error)}); {_AGAIN}"
        raise BundleError(msg) from error
    if any((each.ids >= encoder.vocab).any() or (each.segments >= encoder.segments).any() for each in tokens):
        msg = f"{TOKENIZER} adds tokens or segments to a text that the encoder has no embedding for; {_AGAIN}"
        raise BundleError(msg)
    if not all(0 < len(each) <= encoder.max_tokens for each in tokens):
        msg = f"{TOKENIZER} makes no tokens of a text, or more than the {encoder.max_tokens} of max_tokens; {_AGAIN}"
        raise BundleError(msg)
    return result


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long
        return False


def shortened(error: BaseException) -> str:
    """The message of an error of a library, which may repeat what the file holds, cut to a screen."""
    message = str(error)
    return message if len(message) <= _MOST_REASON else f"{message[:_MOST_REASON]}..."
