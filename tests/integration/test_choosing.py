"""Hyperparameter search, with real small runs."""

import json
import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.trainer.choosing.tuning import Range, read_space, tune, with_settings
from hangtag.trainer.files.folder_lock import FolderInUseError
from hangtag.trainer.fitting.base_model import BaseModelError
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from tests.integration.stopped_command import stopped_after
from tests.integration.tiny_shop import recipe, write_base

# Most tests train a model.
pytestmark = pytest.mark.timeout(240)

SPACE = {"learning_rate": Range(low=1e-7, high=1e-2, log=True), "head_learning_rate": Range(choices=(1e-7, 1e-2))}


def test_a_study_finds_good_settings_prunes_and_resumes(base, data, tmp_path):
    start = recipe(base, epochs=2)
    numbers = []
    tune(start, data, tmp_path, trials=3, space=SPACE, on_trial=lambda trial: numbers.append(trial.number))
    found = tune(start, data, tmp_path, trials=14, space=SPACE, on_trial=lambda trial: numbers.append(trial.number))

    assert numbers == list(range(14))
    assert {trial.state for trial in found.trials} == {"complete", "pruned"}
    assert len({tuple(trial.settings.values()) for trial in found.trials}) == 14
    best = max(found.trials, key=lambda trial: trial.score)
    assert best.settings["learning_rate"] > 1e-4
    assert Recipe.from_file(tmp_path / "best.json") == with_settings(start, best.settings) == found.best
    assert not [file for suffix in ("safetensors", "pt", "part") for file in tmp_path.glob(f"*/*.{suffix}")]


def test_scores_come_from_the_training_files(base, data, tmp_path):
    lines = (data / "validation.jsonl").read_text()
    (tmp_path / "train.jsonl").write_text((data / "train.jsonl").read_text())
    # Wrong labels in the validation file do not change the scores.
    (tmp_path / "validation.jsonl").write_text(
        lines.replace("color:red", "color:blue").replace("color:green", "color:blue")
    )
    start = recipe(base, epochs=1)

    one = tune(start, data, tmp_path / "a", trials=1, space=SPACE)
    other = tune(start, tmp_path, tmp_path / "b", trials=1, space=SPACE)

    assert one.trials == other.trials


def test_a_killed_trial_has_failed(base, data, tmp_path):
    class KilledError(BaseException):
        pass

    def kill(number, _):
        raise KilledError

    start = recipe(base, epochs=1)
    with pytest.raises(KilledError):
        tune(start, data, tmp_path, trials=2, space=SPACE, on_epoch=kill)
    assert (tmp_path / "trial-0" / "resume.pt").is_file()
    left = []
    found = tune(
        start,
        data,
        tmp_path,
        trials=2,
        space=SPACE,
        on_epoch=lambda *_: left.extend((tmp_path / "trial-0").glob("*.pt")),
    )

    assert [trial.state for trial in found.trials] == ["fail", "complete", "complete"]
    assert left == []


def test_a_diverged_trial_counts_and_the_search_continues(base, data, tmp_path):
    start, states = recipe(base, epochs=1), []
    space = {"learning_rate": Range(choices=(1e-3, 1e30))}

    found = tune(start, data, tmp_path, trials=6, space=space, on_trial=lambda trial: states.append(trial.state))

    assert states == [trial.state for trial in found.trials]
    assert {trial.state: trial.settings["learning_rate"] for trial in found.trials} == {
        "complete": 1e-3,
        "diverged": 1e30,
    }
    again = tune(start, data, tmp_path, trials=6, space=space, on_trial=lambda _: pytest.fail("it searches again"))
    assert again.trials == found.trials


def test_a_search_in_which_every_trial_diverged_is_reported(base, data, tmp_path):
    start, diverging = recipe(base, epochs=1), {"learning_rate": Range(choices=(1e30,))}

    for _ in range(2):
        with pytest.raises(RecipeError, match="no trial in .* was completed: 2 diverged, lower the learning rates"):
            tune(start, data, tmp_path, trials=2, space=diverging)

    found = tune(start, data, tmp_path, trials=1, space=SPACE)
    assert [trial.state for trial in found.trials] == ["complete"]


def test_every_trial_writes_its_figures(base, data, tmp_path):
    steps = []
    start = recipe(base, epochs=2)
    tune(start, data, tmp_path, trials=1, space=SPACE, on_step=lambda number, at: steps.append((number, at.step)))

    lines = [json.loads(line) for line in (tmp_path / "trial-0" / "steps.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 1, 2, 2]
    assert {(0, line["step"]) for line in lines} <= set(steps)
    assert len((tmp_path / "trial-0" / "history.jsonl").read_text().splitlines()) == 2


def test_a_study_has_one_recipe_one_space_and_one_set_of_files(base, data, tmp_path):
    study, other = tmp_path / "study", tmp_path / "other"
    start = recipe(base, epochs=1)
    tune(start, data, study, trials=1, space=SPACE)
    best = (study / "best.json").read_bytes()
    shutil.copytree(data, other)
    with (other / "train.jsonl").open("a") as file:
        file.write("\n" + (other / "train.jsonl").read_text().splitlines()[0])
    narrow = SPACE | {"learning_rate": Range(low=1e-4, high=1e-2)}

    with pytest.raises(RecipeError, match=r"with other recipe \(dropout\): choose another --study"):
        tune(recipe(base, epochs=1, dropout=0.2), data, study, trials=2, space=SPACE)
    with pytest.raises(RecipeError, match=r"with other space \(learning_rate\): choose another --study"):
        tune(start, data, study, trials=2, space=narrow)
    with pytest.raises(RecipeError, match=r"with other files: choose another --study"):
        tune(start, other, study, trials=2, space=SPACE)
    with pytest.raises(RecipeError, match=r"with other hold_out: choose another --study"):
        tune(start, data, study, trials=2, space=SPACE, hold_out=0.3)
    assert (study / "best.json").read_bytes() == best
    description = (study / "study.json").read_text()
    earlier = {name: value for name, value in json.loads(description).items() if name != "held_out_by"}
    (study / "study.json").write_text(json.dumps(earlier))
    with pytest.raises(RecipeError, match=r"with other held_out_by: choose another --study"):
        tune(start, data, study, trials=2, space=SPACE)
    (study / "study.json").write_text(description)
    # Settings that do not affect training may change.
    found = tune(recipe(base, epochs=1, auto_precision=0.9), data, study, trials=2, space=SPACE)
    assert [trial.state for trial in found.trials] == ["complete", "complete"]


def test_a_corrected_recipe_replaces_a_study_without_finished_trials(base, data, tmp_path):
    (tmp_path / "no-model").mkdir()
    other_choices = SPACE | {"head_learning_rate": Range(choices=(1e-3, 1e-4))}
    with pytest.raises(BaseModelError, match="no config"):
        tune(recipe(tmp_path / "no-model", epochs=1), data, tmp_path / "study", trials=1, space=other_choices)

    found = tune(recipe(base, epochs=1), data, tmp_path / "study", trials=1, space=SPACE)

    assert [trial.state for trial in found.trials] == ["complete"]


def test_one_process_at_a_time_works_in_a_study(base, data, tmp_path):
    start = recipe(base, epochs=1)

    def second(*_):
        with pytest.raises(FolderInUseError, match="another process"):
            tune(start, data, tmp_path, trials=2, space=SPACE)

    found = tune(start, data, tmp_path, trials=1, space=SPACE, on_epoch=second)

    assert [trial.state for trial in found.trials] == ["complete"]


def test_integers_are_drawn_for_integer_settings(base, data, tmp_path):
    space = {"batch_size": Range(low=8, high=64, log=True), "dropout": Range(low=0, high=0)}

    found = tune(recipe(base, epochs=1), data, tmp_path, trials=3, space=space)

    assert {trial.state for trial in found.trials} == {"complete"}
    assert all(isinstance(trial.settings["batch_size"], int) for trial in found.trials)
    assert isinstance(found.best.dropout, float)


def test_changed_settings_are_checked(base, tmp_path):
    with pytest.raises(RecipeError, match="not a setting"):
        with_settings(recipe(base), {"method.rang": 4})
    with pytest.raises(RecipeError, match="search space"):
        with_settings(recipe(base), {"dropout": 2.0})
    with pytest.raises(RecipeError, match="not a setting"):
        with_settings(recipe(base), {"name.t": 4})
    assert with_settings(recipe(base), {"method.rank": 4}).method.rank == 4


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        ('["method.rank"]\nlow = 3\n', "method.rank: .*low and high, or choices"),
        ("[dropout]\nlow = 0.3\nhigh = 0.1\n", "low 0.3 is above high 0.1"),
        ("[dropout]\nlow = 0\nhigh = 0.1\nlog = true\n", "log needs low above 0"),
        ("[dropout]\nlow = nan\nhigh = 0.1\n", "dropout.low: .*finite"),
        ("[method.rank]\nchoices = [1]\n", "dotted names in quotes"),
        ("", "has no settings"),
        ("low = ", "not valid TOML: Invalid value"),
    ],
)
def test_a_space_file_is_checked(space, reason, tmp_path):
    (tmp_path / "space.toml").write_text(space)
    with pytest.raises(RecipeError, match=reason) as raised:
        read_space(tmp_path / "space.toml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "space",
    [
        {"batch_size": Range(low=4.5, high=8)},
        {"batch_size": Range(low=4, high=8.5)},
        {"dropout": Range(low=0, high=2)},
        {"batch_size": Range(choices=(4, 8, "many"))},
    ],
)
def test_a_space_is_checked_before_anything_is_written(space, base, data, tmp_path):
    with pytest.raises(RecipeError, match="search space: "):
        tune(recipe(base), data, tmp_path / "study", trials=1, space=space)
    assert not (tmp_path / "study").exists()


@pytest.fixture
def shop(base, tmp_path) -> Path:
    """A recipe file."""
    file = tmp_path / "shop.json"
    file.write_text(recipe(base, epochs=1).model_dump_json())
    return file


def test_errors_of_tune_are_one_sentence(data, shop, tmp_path):
    taken, space = tmp_path / "taken", tmp_path / "space.toml"
    taken.touch()
    space.write_text('["[/b]"]\nchoices = ["[/b]"]\n')

    def error_of(*arguments: object) -> str:
        command = ["tune", "--recipe", shop, "--data", data, "--study", tmp_path / "study", "--trials", 1, *arguments]
        done = CliRunner().invoke(app, [*map(str, command)])
        assert isinstance(done.exception, CommandError)
        return str(done.exception)

    assert error_of("--recipe", tmp_path / "none.toml") == f"{tmp_path / 'none.toml'}: No such file or directory"
    assert error_of("--data", tmp_path) == f"{tmp_path / 'train.jsonl'}: No such file or directory"
    assert error_of("--study", taken) == f"{taken}: File exists"
    assert error_of("--study", taken / "study") == f"{taken / 'study'}: Not a directory"
    assert error_of("--space", tmp_path / "none.toml") == f"{tmp_path / 'none.toml'}: No such file or directory"
    assert "'[/b]' is not a setting of this recipe" in error_of("--space", space)


def test_tune_prints_names_without_markup(data, shop, tmp_path):
    study, base, space = tmp_path / "[" / "b] :cat:", tmp_path / "[" / "base]", tmp_path / "space.toml"
    write_base(base)
    space.write_text(f'[base_model]\nchoices = ["{base}"]\n')
    options = ["--data", str(data), "--study", str(study), "--space", str(space), "--trials", "1"]

    done = CliRunner().invoke(app, ["tune", "--recipe", str(shop), *options])

    assert done.exit_code == 0, done.output
    assert f"--recipe {study / 'best.json'} " in done.stdout
    assert f"base_model {base}\n" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_tune_says_how_to_continue(number, base, data, shop, tmp_path):
    shop.write_text(recipe(base, epochs=5000, patience=5000).model_dump_json())
    options = ["--recipe", str(shop), "--data", str(data), "--study", str(tmp_path / "study")]

    code, output = stopped_after("epoch 1:", number, "tune", *options)

    assert code == 130
    assert output[-1] == f"stopped; run the same command again to continue the study in {tmp_path / 'study'}"
    assert not any("Traceback" in line for line in output)
