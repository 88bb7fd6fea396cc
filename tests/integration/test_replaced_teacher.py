"""A run goes on with the bundles that taught it from the start, or not at all."""

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
    """Two that say different things; one promises little, so that it serves AUTO tags of sixty validation products."""
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
    taught = {"sources": [labelled, bare], "pseudo_labels": {"teachers": [str(teacher)]}}
    return recipe(base, epochs=2, **taught, **changes)


def distilled(base: Path, teacher: Path, **changes) -> Recipe:
    return recipe(base, epochs=2, distillation={"teachers": [str(teacher)]}, **changes)


@pytest.mark.parametrize("taught", [pseudo_labelled, distilled])
def test_run_whose_teacher_was_replaced_is_refused_until_it_is_back(taught, base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", taught(base, tmp_path / "teacher")
    put(bundles[0], teacher)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "run", None, Watcher(epoch=kill))
    was, now = (read_manifest(bundle).version[:12] for bundle in bundles)

    put(bundles[1], teacher)
    with pytest.raises(RecipeError, match=f"{teacher} was version {was} then, now it is {now}: name another --run"):
        train(chosen, data, tmp_path / "run", None)

    put(bundles[0], teacher)
    epochs = []
    train(chosen, data, tmp_path / "run", None, Watcher(epoch=lambda epoch: epochs.append(epoch.epoch)))
    assert epochs[-1] == 2


def test_run_of_before_that_names_no_versions_goes_on_and_names_them(base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", pseudo_labelled(base, tmp_path / "teacher")
    put(bundles[0], teacher)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "run", None, Watcher(epoch=kill))
    (tmp_path / "run" / "teachers.json").unlink()

    train(chosen, data, tmp_path / "run", None)

    put(bundles[1], teacher)
    with pytest.raises(RecipeError, match="another teacher"):
        train(chosen, data, tmp_path / "run", None)


def test_finished_student_of_soft_targets_does_not_ask_who_teaches_now(base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", distilled(base, tmp_path / "teacher")
    put(bundles[0], teacher)
    train(chosen, data, tmp_path / "run", None)

    put(bundles[1], teacher)

    assert train(chosen, data, tmp_path / "run", tmp_path / "bundle") is not None


def test_study_is_of_the_teachers_it_began_with(base, data, bundles, tmp_path):
    teacher, chosen = tmp_path / "teacher", distilled(base, tmp_path / "teacher")
    space = {"distillation.temperature": Range(choices=(1.0, 2.0))}
    put(bundles[0], teacher)
    tune(chosen, data, tmp_path / "study", trials=1, space=space)

    put(bundles[1], teacher)

    with pytest.raises(RecipeError, match=r"differs in teachers \(.*teacher\): name another --study"):
        tune(chosen, data, tmp_path / "study", trials=2, space=space)
