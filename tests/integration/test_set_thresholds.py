"""`hangtag bundle thresholds`: new thresholds for a finished bundle, without training."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.bundle import load_bundle, read_manifest
from hangtag.cli.app import app
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.text.product_text import ProductText
from hangtag.trainer.judging.evaluate import logits_of_texts
from tests.bundles import write_tiny_bundle

TITLES = [f"{color} {thing} {number}" for color in ("red", "blue", "navy") for thing in ("dress", "shoe", "cat")
          for number in range(40)]  # fmt: skip


@pytest.fixture
def bundle(tmp_path) -> Path:
    write_tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def labelled(bundle, tmp_path) -> Path:
    """Products labelled with the segments that the bundle predicts, so that it is always right."""
    tagger = open_tagger(ModelSettings(bundle=str(bundle), engine="cpu"))
    logits = logits_of_texts(tagger, [ProductText.of(title) for title in TITLES])
    tagger.engine.close()
    schema = tagger.bundle.schema
    chosen = tagger.decoder.chosen(tagger.decoder.log_confidences(logits))["segment"]
    rows = [
        {"product_id": str(at), "title": title, "facets": ["segment"], "tags": [schema.tags[chosen[at]]]}
        for at, title in enumerate(TITLES)
    ]
    path = tmp_path / "labelled.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bundle", "thresholds", *map(str, arguments)])
    return done.exit_code, f"{done.output}{done.stderr}{done.exception or ''}"


def test_weights_stay_the_same_to_the_byte(bundle, labelled, tmp_path):
    code, output = invoke(bundle, "--validation", labelled, "--out", tmp_path / "new")
    before, after = load_bundle(bundle), load_bundle(tmp_path / "new")

    assert code == 0, output
    for file in ("model.safetensors", "tokenizer.json", "schema.json"):
        assert (tmp_path / "new" / file).read_bytes() == (bundle / file).read_bytes()
    assert after.version != before.version
    assert after.version[:12] in output
    assert after.manifest.metrics["promise"]["set_on"] == len(TITLES)


def test_a_bundle_is_replaced_in_place_and_again_with_the_same_result(bundle, labelled):
    before = read_manifest(bundle)
    versions = []
    for _ in range(2):
        code, output = invoke(bundle, "--validation", labelled)
        assert code == 0, output
        versions.append(read_manifest(bundle).version)

    assert before.version not in versions
    assert versions[0] == versions[1]
    assert read_manifest(bundle).encoder == before.encoder


def test_settings_come_from_the_recipe(bundle, labelled, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('auto_precision = 0.8\nattributes = ["color"]\n[[sources]]\ntrain = ["x"]\n')

    code, output = invoke(bundle, "--validation", labelled, "--recipe", recipe)
    thresholds = load_bundle(bundle).thresholds.root["product"]["full"]

    assert code == 0, output
    assert read_manifest(bundle).metrics["promise"]["precision"] == 0.8
    assert thresholds.attributes == {"color"}
    assert thresholds.words["color:navy"][0] == "navy"


def test_shops_come_from_a_file_of_their_own(bundle, labelled, tmp_path):
    shops = tmp_path / "shops.csv"
    shops.write_text("product_id,shop\n" + "".join(f"{at},shop {at % 12}\n" for at in range(len(TITLES))))

    assert invoke(bundle, "--validation", labelled, "--shops", shops)[0] == 0
    shops.write_text("id,shop\n")
    code, output = invoke(bundle, "--validation", labelled, "--shops", shops)
    assert code == 1
    assert "missing columns: product_id" in output


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"product_id": "1", "title": "x", "facets": ["size"], "tags": ["size:xl"]}, "must be labelled"),
        ({"product_id": "1", "title": "x"}, "facets, tags is missing"),
    ],
)
def test_files_that_cannot_be_used_change_nothing(bundle, tmp_path, row, reason):
    before = {file.name: file.read_bytes() for file in bundle.iterdir()}
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row))

    code, output = invoke(bundle, "--validation", path)

    assert code == 1
    assert reason in output
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == before


def test_a_folder_that_holds_something_else_is_left_alone(bundle, labelled, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")

    code, output = invoke(bundle, "--validation", labelled, "--out", tmp_path / "other")

    assert code == 1
    assert "not overwritten" in output
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["notes.txt"]
