"""Which files a run is trained on: what is refused, reported and kept, with a small BERT and made-up products."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from safetensors import SafetensorError
from safetensors.torch import load_file
from typer.testing import CliRunner

from hangtag.bundle import BundleError, load_bundle
from hangtag.cli.app import app
from hangtag.text.kind import TextKind
from hangtag.trainer.data import kept_products, token_table
from hangtag.trainer.data.labelled import LabelledFileError
from hangtag.trainer.files.atomic_file import write_atomically
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.recipe.by_size import by_size
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.reporting.report import write_report
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe

# Most tests train a model.
pytestmark = pytest.mark.timeout(240)


def test_a_run_folder_is_not_reused_for_other_files(base, data, tmp_path):
    """Otherwise the weights' rows could be those of other tags, and the fingerprint that of other files."""
    files = shutil.copytree(data, tmp_path / "data")
    train(recipe(base, epochs=1), files, tmp_path / "run", None)
    kept = (tmp_path / "run" / "schema.json").read_text()
    text = (files / "train.jsonl").read_text()
    (files / "train.jsonl").write_text(text.replace("color:red", "color:amber"))

    with pytest.raises(RecipeError, match="other files"):
        train(recipe(base, epochs=1), files, tmp_path / "run", tmp_path / "bundle")

    assert (tmp_path / "run" / "schema.json").read_text() == kept
    (files / "train.jsonl").write_text(text)
    assert train(recipe(base, epochs=1, auto_precision=0.9), files, tmp_path / "run", tmp_path / "bundle") is not None


def test_a_bundle_folder_with_other_files_is_refused_before_training(base, data, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("dear")

    with pytest.raises(BundleError, match="holds files but no manifest"):
        train(recipe(base), data, tmp_path / "run", tmp_path / "letters")

    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", [SafetensorError, RuntimeError, OSError])
def test_a_full_disk_is_an_os_error(tmp_path, kind):
    error = kind("No space left on device")

    def full(part: Path) -> None:
        part.write_bytes(b"half")
        raise error

    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "best.safetensors", full)

    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_be_prepared_does_not_reserve_its_folder(base, data, tmp_path):
    errors = {
        "'size:big'": recipe(
            base, sources=[{"train": ["train.jsonl"], "validation": ["validation.jsonl"], "assume": ["size:big"]}]
        ),
        "validation": recipe(base, sources=[{"train": ["train.jsonl"]}]),
        "positions": recipe(base, max_tokens=500),
    }

    for reason, wrong in errors.items():
        with pytest.raises(RecipeError, match=reason):
            train(wrong, data, tmp_path / "run", None)

    assert train(recipe(base, epochs=1), data, tmp_path / "run", None) is None


def test_facets_without_validation_labels_are_reported(base, data, tmp_path):
    files = shutil.copytree(data, tmp_path / "data")
    rows = [json.loads(line) for line in (files / "validation.jsonl").read_text().splitlines()]

    def write(facet: str) -> None:
        labels = [
            row
            | {"facets": [facet], "tags": [tag.replace("color:", f"{facet}:") for tag in row["tags"] if "color" in tag]}
            for row in rows
        ]
        (files / "validation.jsonl").write_text("\n".join(map(json.dumps, labels)))

    write("colour")
    with pytest.raises(RecipeError, match="colour"):
        train(recipe(base, epochs=1), files, tmp_path / "run", None)

    write("color")
    notes: list[str] = []
    train(recipe(base, epochs=1), files, tmp_path / "run", tmp_path / "bundle", Watcher(note=notes.append))
    assert "No validation product is labelled for theme: it gets no AUTO tags" in notes
    report = write_report(tmp_path / "run", files, with_baselines=False)
    assert ", except for 1 facet." in report.summary
    assert "<b>Not evaluated:</b> theme." in report.path.read_text()
    cuts = load_bundle(tmp_path / "bundle").thresholds.entry(TextKind.PRODUCT).tags
    assert all(cut.review < 1 < cut.auto for tag, cut in cuts.items() if tag.startswith("theme:"))


def test_thresholds_are_set_on_calibration_files(base, data, tmp_path):
    """The validation files, which are labelled wrongly here, do not affect the thresholds."""
    files = shutil.copytree(data, tmp_path / "data")
    text = (files / "validation.jsonl").read_text()
    (files / "calibration.jsonl").write_text(text)
    wrong = text.replace("color:red", "color:x").replace("color:blue", "color:red").replace("color:x", "color:blue")
    (files / "validation.jsonl").write_text(wrong)
    source = {"train": ["train.jsonl"], "validation": ["validation.jsonl"]}
    shared = {"keep": "last", "auto_precision": 0.8, "epochs": 6}

    manifest, evaluation = train(
        recipe(base, sources=[source | {"calibration": ["calibration.jsonl"]}], **shared),
        files,
        tmp_path / "run",
        tmp_path / "bundle",
    )
    alone, _ = train(recipe(base, sources=[source], **shared), files, tmp_path / "other", tmp_path / "alone")

    assert evaluation.facets["color"].auto_coverage > 0.5
    assert evaluation.facets["color"].auto_precision < 0.6
    assert manifest.metrics["cross_fitted"]["color"]["precision"] > 0.9
    assert (manifest.metrics["promise"]["set_on"], manifest.metrics["promise"]["which_chose_the_epoch"]) == (60, False)
    assert not [tag for tag in alone.metrics["promise"]["tags"] if tag.startswith("color:")]
    assert manifest.data_fingerprint != alone.data_fingerprint


def test_products_with_several_tags_of_a_single_facet_are_reported(base, data, tmp_path):
    files = shutil.copytree(data, tmp_path / "data")
    rows = [json.loads(line) for line in (files / "train.jsonl").read_text().splitlines()]
    for row in rows[:3]:
        row["tags"] = ["color:red", "color:blue"]
    (files / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    facets = {"color": {"kind": "single"}, "theme": {"kind": "multi"}}
    notes: list[str] = []

    train(recipe(base, epochs=1, facets=facets), files, tmp_path / "run", None, Watcher(note=notes.append))

    assert "3 products have several tags of color, a single facet: they are not used for it" in notes


def test_without_a_recipe_the_number_of_products_decides_settings_and_they_are_said(base, data, tmp_path):
    notes: list[str] = []
    start = Recipe(base_model=str(base), sources=recipe(base).sources, max_tokens=32, epochs=1)

    train(start, data, tmp_path / "run", None, Watcher(note=notes.append), sized=True)

    assert "Settings for 240 training products: batch_size 16, epochs 1, patience 5; a recipe can set others" in notes
    kept = RunFolder(tmp_path / "run").recipe()
    assert (kept.batch_size, kept.epochs, kept.patience) == (16, 1, 5)
    large = by_size(start, 1_000_000)
    assert (large.batch_size, large.epochs) == (128, 1)


def test_every_bad_row_is_named(base, data, tmp_path):
    files = shutil.copytree(data, tmp_path / "data")
    for name in ("train", "validation"):
        with (files / f"{name}.jsonl").open("a") as file:
            file.write('\n{"product_id": "x"}\n[]')

    with pytest.raises(LabelledFileError) as raised:
        train(recipe(base), files, tmp_path / "run", None)

    lines = str(raised.value).splitlines()
    assert lines[0].startswith("4 bad rows: fix or remove them")
    assert [(Path(line.split(", line ")[0].strip()).name, line.split(":")[0][-3:].strip()) for line in lines[1:]] == [
        *(("train.jsonl", "241"), ("train.jsonl", "242"), ("validation.jsonl", "61"), ("validation.jsonl", "62"))
    ]


def test_wrong_names_are_said_before_torch_is_loaded(data):
    code = """import sys
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from typer.testing import CliRunner
for arguments in sys.argv[1:]:
    print(CliRunner().invoke(app, ["train", *arguments.split()]).exception)
assert "torch" not in sys.modules
"""
    train_file = data / "train.jsonl"
    wrong = {
        "none.jsonl --validation no.jsonl": "no such file: none.jsonl, no.jsonl",
        f"{train_file}": "no validation products: name files with --validation",
        f"{train_file} --validation {train_file} --column facet.Color=x": "'Color' cannot be a facet's name",
    }

    done = subprocess.run([sys.executable, "-c", code, *wrong], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for line, reason in zip(done.stdout.splitlines(), wrong.values(), strict=True):
        assert reason in line


def test_evaluate_reports_a_bad_line(tmp_path):
    (tmp_path / "bad.jsonl").write_text("{}\n")

    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "bad.jsonl")])

    assert done.exit_code == 1
    assert "bad.jsonl, line 1" in str(done.exception)


def test_a_second_run_on_the_same_files_reads_and_tokenises_nothing(base, data, tmp_path, monkeypatch):
    train(recipe(base, epochs=1), data, tmp_path / "one", None)

    def forbidden(*_):
        raise AssertionError

    monkeypatch.setattr(kept_products, "read_rows", forbidden)
    monkeypatch.setattr(token_table, "_tokenised", forbidden)
    train(recipe(base, epochs=1), data, tmp_path / "two", None)

    one, two = (load_file(tmp_path / name / "best.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert {each.name for each in tmp_path.iterdir()} == {"one", "two", ".prepared"}
