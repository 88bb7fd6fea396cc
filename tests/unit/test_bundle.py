"""Writing and loading a bundle folder: what is written is read back, and anything else is refused."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from hangtag.bundle import (
    Bundle,
    BundleError,
    EncoderConfig,
    Layer,
    Linear,
    Manifest,
    Norm,
    Table,
    Weights,
    load_bundle,
    write_bundle,
)
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "shirt", "game", "for", "dogs", "|"]
ENCODER = EncoderConfig(
    layers=2,
    hidden=32,
    heads=4,
    intermediate=64,
    vocab=len(WORDS),
    positions=64,
    segments=2,
    norm_epsilon=1e-12,
    max_tokens=48,
)
SCHEMA = TagSchema(
    facets=(
        Facet(name="color", kind=FacetKind.SINGLE, values=("red", "blue", "green")),
        Facet(name="genre", kind=FacetKind.MULTI, values=("action", "puzzle")),
    )
)
FILES = ["schema.json", "thresholds.json", "calibration.json", "tokenizer.json", "model.safetensors", "manifest.json"]


def make_tokenizer() -> ProductTokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return ProductTokenizer(tokenizer, ENCODER.max_tokens)


def make_weights(encoder: EncoderConfig = ENCODER, tags: int = len(SCHEMA.tags), seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def linear(out: int, into: int) -> Linear:
        values = rng.integers(-127, 128, (out, into)).astype(np.int8)
        scale = rng.uniform(0.5, 1, out).astype(np.float32) / 127 / np.sqrt(into, dtype=np.float32) * 2
        smooth = rng.uniform(0.5, 2, into).astype(np.float32)
        return Linear(values, scale, floats(out) / 10, smooth, -8.0, 8.0)

    def norm() -> Norm:
        return Norm(1 + floats(encoder.hidden) / 10, floats(encoder.hidden) / 10)

    def layer() -> Layer:
        wide, hidden = encoder.intermediate, encoder.hidden
        query, key, value, output = (linear(hidden, hidden) for _ in range(4))
        key, value = replace(key, smooth=query.smooth), replace(value, smooth=query.smooth)
        return Layer(query, key, value, output, norm(), linear(wide, hidden), linear(hidden, wide), norm())

    words = Table(
        rng.integers(-127, 128, (encoder.vocab, encoder.hidden)).astype(np.int8),
        rng.uniform(0.005, 0.01, encoder.vocab).astype(np.float32),
    )
    return Weights(
        words,
        floats(encoder.positions, encoder.hidden),
        floats(encoder.segments, encoder.hidden),
        norm(),
        tuple(layer() for _ in range(encoder.layers)),
        floats(tags, encoder.hidden),
        floats(tags),
    )


def thresholds_of(tags: dict[str, TagThresholds]) -> KeyedThresholds:
    return KeyedThresholds.of_products(Thresholds(tags=tags))


def calibration_of(**temperatures: float) -> KeyedCalibration:
    return KeyedCalibration.of_products(Calibration(temperatures=temperatures))


def write(folder: Path, **changes: Any) -> Manifest:
    parts: dict[str, Any] = {
        "name": "tiny",
        "created": "2026-01-01T00:00:00Z",
        "base_model": "random",
        "data_fingerprint": "none",
        "recipe": {"epochs": 1},
        "metrics": {"color": 0.5},
        "encoder": ENCODER,
        "schema": SCHEMA,
        "thresholds": thresholds_of(dict.fromkeys(SCHEMA.tags, TagThresholds(auto=0.9, review=0.5))),
        "calibration": calibration_of(color=1.5, genre=1.0),
        "tokenizer": make_tokenizer(),
        "weights": make_weights(),
    }
    return write_bundle(folder, **(parts | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_is_written_is_read_back(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.schema == SCHEMA
    assert bundle.calibration == calibration_of(color=1.5, genre=1.0)
    assert bundle.thresholds.entry(TextKind.PRODUCT).tags["color:red"] == TagThresholds(auto=0.9, review=0.5)
    assert bundle.manifest.encoder == ENCODER
    assert bundle.version == bundle.manifest.version
    weights, expected = bundle.weights, make_weights()
    np.testing.assert_array_equal(weights.words.values, expected.words.values)
    np.testing.assert_array_equal(weights.layers[1].output.values, expected.layers[1].output.values)
    np.testing.assert_array_equal(weights.layers[0].key.smooth, expected.layers[0].key.smooth)
    assert (weights.layers[0].query.low, weights.layers[0].query.high) == (-8.0, 8.0)
    texts = [ProductText("red shirt | game", "for dogs"), ProductText("red")]
    for found, wanted in zip(bundle.tokenizer(texts), make_tokenizer()(texts), strict=True):
        assert found.ids.tolist() == wanted.ids.tolist()
        assert found.segments.tolist() == wanted.segments.tolist()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_refused_and_its_file_named(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    # Change a digit, so that the manifest remains valid JSON and only a hash can detect it.
    places = [place for place, byte in enumerate(content) if chr(byte).isdigit()] or [len(content) // 2]
    place = places[-1] if name.endswith("json") else len(content) - 1
    content[place] = ord("1") if content[place] != ord("1") else ord("2")
    path.write_bytes(content)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")) as caught:
        load_bundle(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        load_bundle(folder)


def test_a_file_that_the_manifest_does_not_list_is_named(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"model\.pkl is not listed in manifest\.json"):
        load_bundle(folder)


def test_files_with_a_leading_dot_are_not_read(folder: Path) -> None:
    (folder / ".nfs0001").write_bytes(b"x")
    load_bundle(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("field", ["name", "created", "base_model", "data_fingerprint", "recipe", "metrics"])
def test_a_changed_manifest_field_is_refused_even_if_no_answer_depends_on_it(folder: Path, field: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    changed = {"other": 1} if isinstance(manifest[field], dict) else "other"
    (folder / "manifest.json").write_text(json.dumps(manifest | {field: changed}))
    with pytest.raises(BundleError, match="was changed after the bundle was made"):
        load_bundle(folder)


def _fewer_tags(bundle: Bundle) -> dict[str, Any]:
    facets = (SCHEMA.facets[0], Facet(name="genre", kind=FacetKind.MULTI, values=("action",)))
    tags = {tag: its for tag, its in tag_thresholds(bundle).items() if tag != "genre:puzzle"}
    return {"schema": TagSchema(facets=facets), "thresholds": thresholds_of(tags)}


def _two_smoothings(bundle: Bundle) -> dict[str, Any]:
    first, *rest = bundle.weights.layers
    first = replace(first, key=replace(first.key, smooth=first.key.smooth * 2))
    return {"weights": replace(bundle.weights, layers=(first, *rest))}


def _calibrated_for_queries(bundle: Bundle) -> dict[str, Any]:
    by_path = bundle.calibration.root[TextKind.PRODUCT]
    return {"calibration": KeyedCalibration(root={TextKind.PRODUCT: by_path, TextKind.QUERY: by_path})}


def tag_thresholds(bundle: Bundle) -> dict[str, TagThresholds]:
    return bundle.thresholds.entry(TextKind.PRODUCT).tags


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (_fewer_tags, "head_weight"),
        (lambda b: {"thresholds": thresholds_of(dict(list(tag_thresholds(b).items())[1:]))}, "color:red"),
        (lambda _: {"calibration": calibration_of(color=1.0)}, "genre"),
        (lambda _: {"calibration": calibration_of(color=1.0, genre=1.0, size=1.0)}, "size"),
        (lambda _: {"calibration": calibration_of(color=0.0, genre=1.0)}, "color"),
        (_calibrated_for_queries, "product/full, query/full"),
        (lambda _: {"encoder": ENCODER.model_copy(update={"layers": 3})}, r"layers\.2"),
        (lambda _: {"encoder": ENCODER.model_copy(update={"layers": 1})}, r"layers\.1"),
        (lambda _: {"encoder": ENCODER.model_copy(update={"vocab": 9})}, "words"),
        (_two_smoothings, "query, key and value"),
        (lambda b: {"weights": replace(b.weights, positions=b.weights.positions * np.float32(np.nan))}, "positions"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_not_written(
    folder: Path, tmp_path: Path, change: Callable[[Bundle], dict[str, Any]], names: str
) -> None:
    with pytest.raises(BundleError, match=names):
        write(tmp_path / "other", **change(load_bundle(folder)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_parts_that_do_not_fit_are_not_loaded_even_if_all_hashes_match(folder: Path) -> None:
    thresholds = thresholds_of(dict.fromkeys(SCHEMA.tags[1:], TagThresholds(auto=0.9, review=0.5)))
    content = thresholds.model_dump_json().encode()
    (folder / "thresholds.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sections"]["thresholds"]["sha256"] = hashlib.sha256(content).hexdigest()
    write_manifest(folder, manifest)
    with pytest.raises(BundleError, match=r"thresholds\.json.*color:red"):
        load_bundle(folder)


def write_manifest(folder: Path, fields: dict[str, Any]) -> None:
    """Write a manifest with a matching integrity hash, as a program that makes bundles would."""
    manifest = Manifest.model_validate(fields)
    manifest = manifest.model_copy(update={"integrity": manifest.integrity_hash()})
    (folder / "manifest.json").write_text(manifest.to_json())


def test_writing_replaces_the_complete_bundle(folder: Path) -> None:
    version = write(folder, calibration=calibration_of(color=1.6, genre=1.0)).version
    assert load_bundle(folder).version == version
    assert [entry.name for entry in folder.parent.iterdir()] == ["bundle"]


def test_a_failed_write_leaves_the_old_bundle(folder: Path) -> None:
    version = load_bundle(folder).version
    with pytest.raises(BundleError):
        write(folder, encoder=ENCODER.model_copy(update={"layers": 3}))
    assert load_bundle(folder).version == version
    assert [entry.name for entry in folder.parent.iterdir()] == ["bundle"]


def test_a_folder_that_is_not_a_bundle_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="not overwritten"):
        write(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
