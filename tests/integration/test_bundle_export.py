"""Bundles in the formats of others: the same logits, completely or not at all, with a card."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("transformers", reason="transformers is not installed (extra train)")

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from hangtag.bundle import load_bundle
from hangtag.cli.app import app
from hangtag.engine.torch import TorchEngine
from hangtag.text.product_text import ProductText
from tests.bundles import write_tiny_bundle

TEXTS = ["red scarf", "blue mug red", "red", "scarf mug blue red scarf mug"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def logits(bundle):
    """What Hangtag's engine for torch computes, in float32."""
    loaded = load_bundle(bundle)
    engine = TorchEngine(loaded, "cpu")
    try:
        return engine.forward(loaded.tokenizer([ProductText.of(text) for text in TEXTS]))
    finally:
        engine.close()


def test_hugging_face_loads_encoder_tokenizer_and_head(bundle, logits, tmp_path):
    out = tmp_path / "hf"
    done = CliRunner().invoke(app, ["bundle", "export", str(bundle), "--format", "huggingface", "--out", str(out)])
    assert done.exit_code == 0, done.output

    model = AutoModel.from_pretrained(out, add_pooling_layer=False).eval()
    inputs = AutoTokenizer.from_pretrained(out)(TEXTS, padding=True, return_tensors="pt")
    head = load_file(out / "head.safetensors")
    with torch.no_grad():
        hidden = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
    mask = inputs["attention_mask"][:, :, None]
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    found = pooled @ head["weight"].T + head["bias"]

    assert json.loads((out / "tags.json").read_text()) == list(load_bundle(bundle).schema.tags)
    np.testing.assert_allclose(found.numpy(), logits, atol=1e-4)


@pytest.mark.timeout(90)
@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_an_onnx_runtime_computes_the_same_for_texts_of_any_length(bundle, logits, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra dev)")
    out = tmp_path / "onnx"
    done = CliRunner().invoke(app, ["bundle", "export", str(bundle), "--format", "onnx", "--out", str(out)])
    assert done.exit_code == 0, done.output

    session = runtime.InferenceSession(out / "model.onnx")
    tokens = load_bundle(bundle).tokenizer([ProductText.of(text) for text in TEXTS])
    for each, expected in zip(tokens, logits, strict=True):
        ids = each.ids[None].astype(np.int64)
        (found,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        np.testing.assert_allclose(found[0], expected, atol=1e-4)
    padded = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
    mask = np.zeros_like(padded)
    for row, each in enumerate(tokens):
        padded[row, : len(each)], mask[row, : len(each)] = each.ids, 1
    (found,) = session.run(None, {"input_ids": padded, "attention_mask": mask})
    np.testing.assert_allclose(found, logits, atol=1e-4)


def test_a_folder_with_files_is_not_touched(bundle, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(app, ["bundle", "export", str(bundle), "--format", "huggingface", "--out", str(tmp_path)])

    assert "is not empty: name another folder" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_bundle_leaves_nothing_behind(bundle, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle, damaged)
    (damaged / "schema.json").write_text("{}")
    done = CliRunner().invoke(
        app, ["bundle", "export", str(damaged), "--format", "huggingface", "--out", str(tmp_path / "out")]
    )

    assert "schema.json" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_the_card_of_the_starter_states_what_its_manifest_does():
    done = CliRunner().invoke(app, ["bundle", "card", "starter", "--licence", "mit", "--use", "Demonstrations."])
    manifest = load_bundle("starter").manifest

    assert done.exit_code == 0, done.output
    assert manifest.version in done.stdout
    assert manifest.data_fingerprint in done.stdout
    assert "license: mit" in done.stdout
    assert "Demonstrations." in done.stdout
    f1 = manifest.metrics["validation"]["class"]["weighted_f1"]
    unseen = manifest.metrics["cross_fitted"]["class"]
    row = next(line for line in done.stdout.splitlines() if line.startswith("| class |"))
    assert f"{100 * f1:.1f}" in row
    assert f"{100 * unseen['precision']:.1f}" in row


def test_the_card_of_a_bundle_without_figures_says_so(bundle):
    done = CliRunner().invoke(app, ["bundle", "card", str(bundle)])

    assert done.exit_code == 0, done.output
    assert "None.\n" in done.stdout
    assert "license: not stated" in done.stdout
