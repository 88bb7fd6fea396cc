"""Resuming a killed run, and its random numbers afterwards."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.recipe.recipe import RecipeError
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe, write_base, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


class KilledError(Exception):
    """Stands for a kill between the last epoch's checkpoint and its line of the history."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("epochs", [1, 2])
def test_kill_before_the_last_line_of_the_history_loses_no_epoch(base, data, tmp_path, monkeypatch, epochs):
    write = RunFolder.write_history

    def killed(self, history) -> None:
        if len(history) == epochs:
            raise KilledError
        write(self, history)

    chosen, run = recipe(base, epochs=epochs), RunFolder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_history", killed)
        with pytest.raises(KilledError):
            train(chosen, data, tmp_path, None)
    again: list[Epoch] = []

    for _ in range(2):
        train(chosen, data, tmp_path, None, Watcher(epoch=again.append))
        assert run.is_trained
        assert [epoch.epoch for epoch in run.history()] == list(range(1, epochs + 1))

    assert again == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", [20_260_714, 2**32 - 1], ids=["a date", "the largest"])
def test_a_large_seed_trains_to_the_end(base, data, tmp_path, seed):
    assert train(recipe(base, epochs=1, seed=seed), data, tmp_path, tmp_path / "bundle") is not None


def test_the_seeds_of_steps_never_change(base, data, tmp_path, monkeypatch):
    """A run that is resumed after an upgrade of Hangtag draws the same random numbers as without the interruption."""
    drawn: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", drawn.append)

    train(recipe(base, epochs=1), data, tmp_path, None)

    assert drawn[:3] == [7, 70_680_662_042_359, 70_680_662_043_368]


def test_a_run_that_has_not_trained_anything_is_replaced_by_a_corrected_recipe(base, data, tmp_path):
    wrong = recipe(base, epochs=1, start_from=str(tmp_path / "none"))
    with pytest.raises(RecipeError, match="train that run first"):
        train(wrong, data, tmp_path / "run", None)

    train(recipe(base, epochs=1), data, tmp_path / "run", None)

    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe(base, epochs=2), data, tmp_path / "run", None)


def test_blocked_tags_are_a_training_setting_if_values_are_swapped(base, data, tmp_path):
    """Blocked values are not swapped in, so a run cannot be resumed with other blocked tags."""
    swaps = {"swap_values_in": 1.0, "values_of": ["color"]}
    train(recipe(base, epochs=1, augmentation=swaps), data, tmp_path / "swapped", None)
    train(recipe(base, epochs=1), data, tmp_path / "plain", None)

    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe(base, epochs=1, augmentation=swaps, blocked=["color:red"]), data, tmp_path / "swapped", None)
    train(recipe(base, epochs=1, blocked=["color:red"]), data, tmp_path / "plain", None)
