"""A run is only resumed with the teachers that it was started with."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
pytest.importorskip("optuna", reason="optuna is not installed (extra train)")

from hangtag.bundle import read_manifest
from hangtag.trainer.choosing.tuning import Range, tune
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe, write_base, write_data

# Most tests train a model, and the first one that uses `bundles` trains that too.
pytestmark = pytest.mark.timeout(240)


class KilledError(Exception):
    """Stands for a kill after an epoch."""


def kill(_) -> None:
    raise KilledError


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bundles(base, data, tmp_path_factory) -> list[Path]:
    """Two different bundles; a low promised precision makes AUTO possible with only sixty validation products."""
    folder = tmp_path_factory.mktemp("bundles")
    for epochs in (9, 10):
        chosen = recipe(base, epochs=epochs, auto_precision=0.8, auto_confidence=0.8)
        train(chosen, data, folder / f"run-{epochs}", folder / str(epochs))
    return [folder / "9", folder / "10"]


def put(bundle: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(bundle, place)


def pseudo_labelled(base: Path, teacher: Path, **changes) -> Recipe:
    labelled = {"train": ["train.jsonl"], "validation": ["validation.jsonl"]}
    bare = {"train": ["train.jsonl"], "columns": {"labelled": False}, "pseudo_labels": True}
    settings = {"sources": [labelled, bare], "pseudo_labels": {"teachers": [str(teacher)]}}
    return recipe(base, epochs=2, **settings, **changes)


def distilled(base: Path, teacher: Path, **changes) -> Recipe:
    return recipe(base, epochs=2, distillation={"teachers": [str(teacher)]}, **changes)


@pytest.mark.parametrize("with_teacher", [pseudo_labelled, distilled])
def test_a_run_whose_teacher_was_replaced_is_refused_until_it_is_back(with_teacher, base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", with_teacher(base, tmp_path / "teacher")
    put(bundles[0], teacher)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "run", None, Watcher(epoch=kill))
    was, now = (read_manifest(bundle).version[:12] for bundle in bundles)

    put(bundles[1], teacher)
    with pytest.raises(RecipeError, match=f"{teacher} was version {was} and is now {now}: choose another --run"):
        train(chosen, data, tmp_path / "run", None)

    put(bundles[0], teacher)
    epochs = []
    train(chosen, data, tmp_path / "run", None, Watcher(epoch=lambda epoch: epochs.append(epoch.epoch)))
    assert epochs[-1] == 2


def test_an_older_run_without_recorded_versions_is_resumed_and_records_them(base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", pseudo_labelled(base, tmp_path / "teacher")
    put(bundles[0], teacher)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "run", None, Watcher(epoch=kill))
    (tmp_path / "run" / "teachers.json").unlink()

    train(chosen, data, tmp_path / "run", None)

    put(bundles[1], teacher)
    with pytest.raises(RecipeError, match="another teacher"):
        train(chosen, data, tmp_path / "run", None)


def test_a_finished_run_with_soft_targets_does_not_check_its_teacher(base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", distilled(base, tmp_path / "teacher")
    put(bundles[0], teacher)
    train(chosen, data, tmp_path / "run", None)

    put(bundles[1], teacher)

    assert train(chosen, data, tmp_path / "run", tmp_path / "bundle") is not None


def test_a_study_is_only_continued_with_its_teachers(base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", distilled(base, tmp_path / "teacher")
    space = {"distillation.temperature": Range(choices=(1.0, 2.0))}
    put(bundles[0], teacher)
    tune(chosen, data, tmp_path / "study", trials=1, space=space)

    put(bundles[1], teacher)

    with pytest.raises(RecipeError, match=r"with other teachers \(.*teacher\): choose another --study"):
        tune(chosen, data, tmp_path / "study", trials=2, space=space)
