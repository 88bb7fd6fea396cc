"""Searching settings and comparing runs, on real small runs."""

import json

import pytest

pytest.importorskip("optuna", reason="optuna is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from tests.integration.tiny_shop import recipe, write_base, write_data
from trainer.exporting.export import ExportError
from trainer.exporting.quantize import quantised_table
from trainer.recipe import Recipe, RecipeError
from trainer.run_folder import RunFolder
from trainer.train import train
from trainer.tuning import Range, read_space, tune, with_settings

SPACE = {"learning_rate": Range(low=1e-7, high=1e-2, log=True), "head_learning_rate": Range(choices=(1e-7, 1e-2))}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def test_study_finds_what_learns_prunes_and_resumes(base, data, tmp_path):
    start = recipe(base, epochs=2)
    told = []
    tune(start, data, tmp_path, trials=3, space=SPACE, on_trial=lambda trial: told.append(trial.number))
    found = tune(start, data, tmp_path, trials=14, space=SPACE, on_trial=lambda trial: told.append(trial.number))

    assert told == list(range(14))
    assert {trial.state for trial in found.trials} == {"complete", "pruned"}
    best = max(found.trials, key=lambda trial: trial.score)
    assert best.settings["head_learning_rate"] == 1e-2
    assert Recipe.from_file(tmp_path / "best.json") == with_settings(start, best.settings) == found.best
    assert not list(tmp_path.glob("*/best.safetensors"))


def test_scores_come_from_the_training_files(base, data, tmp_path):
    lines = (data / "validation.jsonl").read_text()
    (tmp_path / "train.jsonl").write_text((data / "train.jsonl").read_text())
    # Labels of the validation file that nothing could learn leave the scores as they are.
    (tmp_path / "validation.jsonl").write_text(
        lines.replace("color:red", "color:blue").replace("color:green", "color:blue")
    )
    start = recipe(base, epochs=1)

    one = tune(start, data, tmp_path / "a", trials=1, space=SPACE)
    other = tune(start, tmp_path, tmp_path / "b", trials=1, space=SPACE)

    assert one.trials == other.trials


def test_trial_that_a_kill_left_behind_is_counted_as_failed(base, data, tmp_path):
    class KilledError(BaseException):
        pass

    def kill(number, _):
        raise KilledError

    start = recipe(base, epochs=1)
    with pytest.raises(KilledError):
        tune(start, data, tmp_path, trials=2, space=SPACE, on_epoch=kill)
    found = tune(start, data, tmp_path, trials=2, space=SPACE)

    assert [trial.state for trial in found.trials] == ["fail", "complete", "complete"]


def test_space_is_checked(base, tmp_path):
    with pytest.raises(RecipeError, match="no setting"):
        with_settings(recipe(base), {"method.rang": 4})
    with pytest.raises(RecipeError, match="search space"):
        with_settings(recipe(base), {"dropout": 2.0})
    assert with_settings(recipe(base), {"method.rank": 4}).method.rank == 4
    (tmp_path / "space.toml").write_text('["method.rank"]\nlow = 3\n')
    with pytest.raises(RecipeError, match="low and high, or choices"):
        read_space(tmp_path / "space.toml")


def test_runs_side_by_side(base, data, tmp_path):
    for name, epochs in (("short", 1), ("long", 3)):
        train(recipe(base, epochs=epochs), data, tmp_path / name, tmp_path / name / "bundle")
    options = ["--texts", str(data / "validation.jsonl"), "--json"]

    done = CliRunner().invoke(app, ["compare", str(tmp_path / "short"), str(tmp_path / "long"), *options])
    assert done.exit_code == 0, done.output
    short, long = json.loads(done.stdout)

    outcome = RunFolder(tmp_path / "long").outcome()
    assert long["f1"]["color"] == outcome["evaluation"]["facets"]["color"]["weighted_f1"]
    assert long["f1"]["theme"] == outcome["evaluation"]["facets"]["theme"]["micro_f1"]
    assert (short["settings"], long["settings"]) == ({"epochs": 1}, {"epochs": 3})
    assert short["ratio"] == 1
    assert long["cost"] == pytest.approx(long["core_hours"] * 0.05)
    assert long["tokens_per_second"] > long["texts_per_second"]

    missing = CliRunner().invoke(app, ["compare", str(tmp_path / "none"), *options])
    assert "no finished run" in str(missing.exception)


def test_bundle_is_refused_where_int8_costs_too_much(base, data, tmp_path, monkeypatch):
    start = recipe(base, epochs=3)
    manifest, _ = train(start, data, tmp_path / "run", tmp_path / "bundle")
    assert abs(manifest.metrics["int8_loss"]) < 1

    # An export that loses the word embedding.
    monkeypatch.setattr("trainer.exporting.export.quantised_table", lambda table: quantised_table(table * 0))
    with pytest.raises(ExportError, match="max_int8_loss"):
        train(start, data, tmp_path / "run", tmp_path / "other")
    assert not (tmp_path / "other").exists()
