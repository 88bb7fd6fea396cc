"""Comparison of runs, with real small runs."""

import json
import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.bundle import read_manifest
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.trainer.exporting.export import ExportError
from hangtag.trainer.exporting.quantize import quantised_table
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.running.train import train
from tests.integration.stopped_command import stopped_after
from tests.integration.tiny_shop import recipe

# Most tests train a model, and the first one that uses `runs` trains that too.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def runs(base, data, tmp_path_factory) -> Path:
    """Two finished runs, `[/b]` and `long`, with bundles in their folders."""
    folder = tmp_path_factory.mktemp("runs")
    for name, epochs in (("[/b]", 1), ("long", 3)):
        train(recipe(base, epochs=epochs), data, folder / name, folder / name / "bundle")
    return folder


def test_runs_are_compared(runs, data):
    options = ["--texts", str(data / "validation.jsonl"), "--json"]

    done = CliRunner().invoke(app, ["compare", str(runs / "[/b]"), str(runs / "long"), *options])
    assert done.exit_code == 0, done.output
    short, long = json.loads(done.stdout)

    outcome = RunFolder(runs / "long").outcome()
    assert long["f1"]["color"] == outcome["evaluation"]["facets"]["color"]["weighted_f1"]
    assert long["f1"]["theme"] == outcome["evaluation"]["facets"]["theme"]["micro_f1"]
    assert (short["settings"], long["settings"]) == ({"epochs": 1}, {"epochs": 3})
    assert short["ratio"] == 1
    assert long["cost"] == pytest.approx(long["core_hours"] * 0.05)
    assert long["tokens_per_second"] > long["texts_per_second"]
    assert "round 5 of 5" in done.stderr


def test_two_runs_are_compared_by_tag_and_product(runs, data, tmp_path):
    validation, found = data / "validation.jsonl", tmp_path / "differing.jsonl"
    options = ["--texts", str(validation), "--labelled", str(validation), "--disagreements", str(found), "--json"]

    done = CliRunner().invoke(app, ["compare", str(runs / "[/b]"), str(runs / "long"), *options])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    labels = {row["product_id"]: set(row["tags"]) for row in map(json.loads, validation.read_text().splitlines())}

    assert {tag["tag"] for tag in result["tags"]} >= {"color:red", "color:blue"}
    assert [tag["q"] for tag in result["tags"]] == sorted(tag["q"] for tag in result["tags"])
    assert result["disagreements"] == [json.loads(line) for line in found.read_text().splitlines()]
    assert result["disagreements"], "a run of one epoch and one of three are never the same"
    for each in result["disagreements"]:
        its = {tag.partition(":")[2] for tag in labels[each["product_id"]] if tag.startswith(f"{each['facet']}:")}
        right = [name for name in ("first", "second") if {tag["value"] for tag in each[name]} == its]
        assert each["first"] != each["second"]
        if each["labels"] is not None:
            assert each["right"] == {0: "neither", 1: right[0] if right else "", 2: "both"}[len(right)]


def test_the_table_of_runs_has_names_without_markup(runs, tmp_path, monkeypatch):
    (tmp_path / "texts.csv").write_text("Nr,Name\n" + "".join(f"{at},red cat game\n" for at in range(20)))
    monkeypatch.chdir(runs)
    options = ["--texts", str(tmp_path / "texts.csv"), "--column", "product_id=Nr", "--column", "title=Name"]

    done = CliRunner().invoke(app, ["compare", "[/b]", "long", *options])

    assert done.exit_code == 0, done.output
    assert "[/b]" in done.stdout.splitlines()[1]


def test_errors_of_compare_are_one_sentence(runs, data, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    def error_of(run: Path, texts: Path, *options: str) -> str:
        done = CliRunner().invoke(app, ["compare", str(run), "--texts", str(texts), *options])
        assert isinstance(done.exception, CommandError)
        return str(done.exception)

    texts = data / "validation.jsonl"
    assert "no finished run" in error_of(tmp_path / "none", texts)
    assert "no such file" in error_of(runs / "long", tmp_path / "none.jsonl")
    assert "has no products" in error_of(runs / "long", empty)
    assert "name=column" in error_of(runs / "long", texts, "--column", "Name")
    assert "compares two runs, not 1" in error_of(runs / "long", texts, "--labelled", str(texts))
    assert "needs the products" in error_of(runs / "long", texts, "--disagreements", str(tmp_path / "a.jsonl"))


def test_a_stopped_compare_says_so(runs, data):
    options = ["--texts", str(data / "validation.jsonl")]

    code, output = stopped_after("Timing in turns", signal.SIGTERM, "compare", str(runs / "long"), *options)

    assert (code, output[-1]) == (130, "stopped; nothing was written")


def test_a_run_is_compared_by_its_own_bundle(runs, data, tmp_path):
    """Two runs wrote their bundles to one place, so that the second replaced the first."""
    shutil.copytree(runs, tmp_path / "runs")
    first, second, shared = tmp_path / "runs" / "[/b]", tmp_path / "runs" / "long", tmp_path / "bundle"
    for run in (first, second):
        RunFolder(run).write_outcome(RunFolder(run).outcome() | {"bundle": str(shared)})
    shutil.move(second / "bundle", shared)
    versions = [RunFolder(run).outcome()["version"] for run in (first, second)]
    assert [read_manifest(place).version for place in (first / "bundle", shared)] == versions
    command = ["compare", str(first), str(second), "--texts", str(data / "validation.jsonl"), "--json"]

    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert [each["version"] for each in json.loads(done.stdout)] == versions

    shutil.rmtree(first / "bundle")
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, CommandError)
    assert f"the bundle made by {first} (version {versions[0][:12]}) is neither in" in str(refused.exception)


def test_no_bundle_is_made_if_int8_loses_too_much(base, data, tmp_path, monkeypatch):
    start = recipe(base, epochs=3)
    manifest, _ = train(start, data, tmp_path / "run", tmp_path / "bundle")
    assert abs(manifest.metrics["int8_loss"]) < 1

    # An export without the word embeddings.
    monkeypatch.setattr("hangtag.trainer.exporting.export.quantised_table", lambda table: quantised_table(table * 0))
    with pytest.raises(ExportError, match="max_int8_loss"):
        train(start, data, tmp_path / "run", tmp_path / "other")
    assert not (tmp_path / "other").exists()
