"""The files of a bundle, each with any content and hashes that match it: what is wrong is found, whatever it is.

The first byte chooses the file.
"""

import hashlib
import json

from hangtag.bundle import BundleError, load_bundle
from hangtag.bundle.files import CALIBRATION, MANIFEST, MODEL, SCHEMA, THRESHOLDS, TOKENIZER
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.version import version_of
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds
from hangtag.text.product_text import ProductText
from tests.bundles import write_tiny_bundle
from tests.fuzz.contract import refused, require
from tests.fuzz.scratch import scratch

# A message of pydantic names each field that is wrong.
_MOST_CHARS = 4_000
_FILES = (MANIFEST, SCHEMA, THRESHOLDS, CALIBRATION, TOKENIZER, MODEL)
_FOLDER = scratch() / "bundle"
write_tiny_bundle(_FOLDER)
VALID = {file: (_FOLDER / file).read_bytes() for file in _FILES}
_TEXTS = [ProductText.of("red dress \U00029e3d", "a b \u00fc " * 40), ProductText.of("red")]


def _with(file: str, content: bytes) -> bytes:
    return bytes([_FILES.index(file)]) + content


SEEDS = (
    *(_with(file, content) for file, content in VALID.items()),
    _with(MANIFEST, b'{"format":' * 2_000),
    _with(MANIFEST, b'{"format":[' + b"0," * 2_000 + b"0]}"),
    _with(MANIFEST, b'{"format":1}'),
    _with(MANIFEST, VALID[MANIFEST].replace(b'"metrics": {}', b'"metrics": {"f1": NaN, "n": 1e999}')),
    _with(MANIFEST, VALID[MANIFEST].replace(b'"hidden": 32', b'"hidden": 99999999999999999999')),
    _with(MANIFEST, VALID[MANIFEST].replace(b'"max_tokens": 64', b'"max_tokens": 1')),
    _with(MANIFEST, VALID[MANIFEST].replace(b'"file": "schema.json"', b'"file": "../schema.json"')),
    _with(SCHEMA, b'{"facets":[{"name":"a","kind":"single","values":["\\u0000","\\u202e"]}]}'),
    _with(THRESHOLDS, VALID[THRESHOLDS].replace(b"0.3", b"NaN")),
    _with(CALIBRATION, VALID[CALIBRATION].replace(b"1.0", b"1e-320")),
    _with(TOKENIZER, VALID[TOKENIZER].replace(b'"ids":[2]', b'"ids":[99999]')),
    _with(TOKENIZER, VALID[TOKENIZER].replace(b'"unk_token":"[UNK]"', b'"unk_token":"[NONE]"')),
    _with(TOKENIZER, VALID[TOKENIZER].replace(b'"type_id":1', b'"type_id":9')),
    _with(TOKENIZER, b'{"model":' + b"[" * 2_000),
    _with(MODEL, b"\xff" * 8 + b"{"),
    _with(MODEL, (2).to_bytes(8, "little") + b"{}"),
    _with(MODEL, VALID[MODEL][: len(VALID[MODEL]) // 2]),
    _with(MODEL, VALID[MODEL].replace(b'"F32"', b'"BF16"', 1)),
)


def target(data: bytes) -> str:
    """Load the bundle; one that loads tokenises any text to ids that its model has."""
    file = _FILES[data[0] % len(_FILES) if data else 0]
    content = data[1:]
    files = {**VALID, file: content}
    files[MANIFEST] = sealed(files)
    try:
        for name in {file, MANIFEST}:
            (_FOLDER / name).write_bytes(files[name])
        bundle = load_bundle(_FOLDER)
    except BundleError as error:
        # A bundle holds no product's text, so a message may quote its files.
        return f"{file}: {refused(error, b'', _MOST_CHARS)[:24]}"
    finally:
        for name in {file, MANIFEST}:
            (_FOLDER / name).write_bytes(VALID[name])
    encoder = bundle.manifest.encoder
    for text in _TEXTS:
        (tokens,) = bundle.tokenizer([text])
        require(1 <= len(tokens) <= encoder.max_tokens, f"{len(tokens)} tokens")
        require(int(tokens.ids.max()) < encoder.vocab, "a token id beyond the word embedding")
        require(int(tokens.segments.max()) < encoder.segments, "a segment beyond the segment embedding")
    return f"{file}: loaded"


def sealed(files: dict[str, bytes]) -> bytes:
    """The manifest with the hashes of these files, so that what is behind the hashes is reached."""
    try:
        manifest = json.loads(files[MANIFEST])
        sections = manifest["sections"]
        for section in sections.values():
            if section["file"] in files:
                section["sha256"] = hashlib.sha256(files[section["file"]]).hexdigest()
        valid = Manifest.model_validate(manifest)
        version = version_of(
            valid.encoder,
            TagSchema.model_validate_json(files[SCHEMA]),
            KeyedThresholds.model_validate_json(files[THRESHOLDS]),
            KeyedCalibration.model_validate_json(files[CALIBRATION]),
            tokenizer_sha256=sections["tokenizer"]["sha256"],
            model_sha256=sections["model"]["sha256"],
        )
        valid = valid.model_copy(update={"version": version})
        sealed = valid.model_copy(update={"integrity": valid.integrity_hash()})
        return sealed.to_json().encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return files[MANIFEST]
