"""A complete run with a small BERT and made-up products: training, resuming, bundle, evaluation."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from safetensors.torch import load_file
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from hangtag.bundle import load_bundle, read_manifest
from hangtag.cli.app import app
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import read_labelled
from hangtag.trainer.files.folder_lock import FolderInUseError, locked
from hangtag.trainer.fitting.epochs import DivergedError, Progress
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.releasing.thresholds import set_thresholds
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import COLORS, recipe

# Most tests train a model, and the first one that uses `trained` trains that too.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def trained(base, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    manifest, evaluation = train(recipe(base), data, folder, folder / "bundle")
    return folder, manifest, evaluation


def test_a_run_learns_and_writes_a_bundle(trained):
    folder, manifest, evaluation = trained

    assert evaluation.facets["color"].weighted_f1 > 0.95
    assert evaluation.facets["theme"].micro_f1 > 0.8
    assert load_bundle(folder / "bundle").version == manifest.version
    assert manifest.recipe["epochs"] == 10
    assert manifest.metrics["validation"]["color"]["support"] == 60


def test_a_run_with_queries_decides_for_them_and_knows_what_is_off_topic(base, data, tmp_path, monkeypatch):
    (data / "words.toml").write_text('[nouns]\n"theme:space" = ["rocket"]\n')
    settings = {"per_epoch": 120, "off_topic": 60, "words": "words.toml", "min_auto": 0.8}
    settings |= {"auto_precision": 0.9, "languages": ["en"], "wide_strength": 0.5}
    chosen = recipe(base, queries=settings, wide={"min_products": 1, "max_share": 1.0})
    manifest, _ = train(chosen, data, tmp_path / "run", tmp_path / "bundle")
    tagger = Tagger.load(tmp_path / "bundle", engine="cpu")
    entries = {kind: tagger.bundle.thresholds.entry(kind) for kind in TextKind}
    titles = ["red cat game", "blue food", "zx qqv 00 wjk"]
    scores = tagger.forward(tagger.encode([ProductText.of(title) for title in titles]))
    again, _ = train(chosen, data, tmp_path / "run", tmp_path / "again")
    monkeypatch.chdir(data)  # where the list of words is
    on_products = read_labelled([data / "validation.jsonl"])
    redecided, _ = set_thresholds(
        tmp_path / "bundle", tmp_path / "redecided", on_products, on_products, Recipe.model_validate(manifest.recipe)
    )

    assert entries[TextKind.PRODUCT].tags != entries[TextKind.QUERY].tags
    assert min(entries[TextKind.QUERY].tags[f"color:{color}"].auto for color in COLORS) >= 0.8
    assert entries[TextKind.QUERY].languages == entries[TextKind.PRODUCT].languages == ("en",)
    assert [tagger.bundle.calibration.entry(kind).wide_strength for kind in TextKind] == [1.0, 0.5]
    assert manifest.metrics["queries"]["promise"]["precision"] == 0.9
    assert set(manifest.metrics["scope"]) == {"product", "query"}
    assert set(tagger.bundle.scope.refused_below) == set(TextKind)
    assert scores.on_topic[:2].min() > 0.5 > scores.on_topic[2]
    assert again.version == manifest.version
    assert read_manifest(tmp_path / "redecided") == redecided
    assert load_bundle(tmp_path / "redecided").scope.weight == tagger.bundle.scope.weight


class KilledError(Exception):
    """Stands for a kill in the middle of an epoch."""


def test_a_killed_run_resumes_to_the_same_curve(base, data, trained, tmp_path):
    def kill(at: Progress) -> None:
        if (at.epoch, at.step) == (3, 4):
            raise KilledError

    run = tmp_path / "run"
    with pytest.raises(KilledError):
        train(recipe(base), data, run, None, Watcher(step=kill))
    train(recipe(base), data, run, None)

    def curve(folder: Path) -> list[tuple[float, float]]:
        epochs = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        return [(epoch["loss"], epoch["score"]) for epoch in epochs]

    assert curve(run) == curve(trained[0])


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_kill_within_an_epoch_loses_only_the_steps_after_the_checkpoint(base, data, tmp_path, ema_decay):
    chosen = recipe(base, epochs=2, batch_size=6, ema_decay=ema_decay, checkpoint_minutes=0)
    steps = []

    def kill(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 27):
            raise KilledError

    train(chosen, data, tmp_path / "whole", None)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "cut", None, Watcher(step=kill))
    train(chosen, data, tmp_path / "cut", None, Watcher(step=lambda at: steps.append((at.epoch, at.step, at.loss))))

    assert steps[0][:2] == (2, 21)
    whole, cut = (load_file(tmp_path / name / "best.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    resumed, before = (
        [json.loads(line) for line in (tmp_path / name / "steps.jsonl").read_text().splitlines()]
        for name in ("cut", "whole")
    )
    for one, other in zip(resumed, before, strict=True):
        assert (one["epoch"], one["step"]) == (other["epoch"], other["step"])
        assert one["loss"] == pytest.approx(other["loss"])


def test_figures_are_written_during_training(base, data, tmp_path):
    def kill(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 12):
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe(base, epochs=2), data, tmp_path, None, Watcher(step=kill))
    cut = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    train(recipe(base, epochs=2), data, tmp_path, None)
    steps = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]

    assert [(step["epoch"], step["step"]) for step in cut] == [(1, 10), (1, 15), (2, 10)]
    assert [(step["epoch"], step["step"]) for step in steps] == [(1, 10), (1, 15), (2, 10), (2, 15)]
    assert steps[:2] == cut[:2]
    assert all(step["loss"] > 0 and step["learning_rate"] >= 0 for step in steps)


def test_tensorboard_has_every_figure_once(base, data, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra dev)")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def kill(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 12):
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe(base, epochs=2), data, tmp_path, None, Watcher(step=kill))
    train(recipe(base, epochs=2), data, tmp_path, None)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()

    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [event.step for event in board.Scalars("train/loss")] == [10, 15, 25, 30]
    scores = [(event.step, event.value) for event in board.Scalars("validation/score")]
    assert scores == [(15, pytest.approx(history[0]["score"])), (30, pytest.approx(history[1]["score"]))]
    assert board.Scalars("validation/f1/color")


def test_a_stop_does_not_wait_for_trackers_and_loses_no_finished_epoch(base, data, tmp_path, monkeypatch):
    """After a signal in the middle of a transfer, a tracker may never finish."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra dev)")
    from accelerate.tracking import TensorBoardTracker
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from hangtag.cli.stopping import Stopped

    def stop(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 12):
            raise Stopped

    finished = []
    monkeypatch.setattr(TensorBoardTracker, "finish", lambda _: finished.append(True))
    with pytest.raises(Stopped):
        train(recipe(base, epochs=2), data, tmp_path, None, Watcher(step=stop))

    assert not finished
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("validation/score")] == [15]


def test_wandb_that_is_not_installed_is_reported(base, data, tmp_path, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else found(name))

    with pytest.raises(RecipeError, match="pip install wandb"):
        train(recipe(base, epochs=1), data, tmp_path, None, wandb=True)


def test_a_second_run_starts_from_the_first(base, data, trained, tmp_path):
    first = trained[0]
    changes = {"start_from": str(first), "epochs": 1, "learning_rate": 1e-6, "head_learning_rate": 1e-6}

    _, evaluation = train(recipe(base, **changes), data, tmp_path / "run", tmp_path / "bundle")

    assert evaluation.facets["color"].weighted_f1 > 0.95
    with pytest.raises(RecipeError, match="train that run first"):
        train(recipe(base, start_from=str(tmp_path / "none")), data, tmp_path / "other", tmp_path / "bundle")


@pytest.mark.gpu
def test_a_run_on_cuda_has_the_same_quality_as_on_the_cpu(base, data, trained, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    _, evaluation = train(recipe(base, precision="bf16"), data, tmp_path, tmp_path / "bundle")

    assert json.loads((tmp_path / "outcome.json").read_text())["device"].startswith("cuda")
    for facet, score in trained[2].facets.items():
        assert evaluation.facets[facet].micro_f1 == pytest.approx(score.micro_f1, abs=0.1)


def test_a_run_folder_is_not_reused_for_another_recipe(base, data, trained):
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe(base, epochs=9), data, trained[0], trained[0] / "bundle")


def test_wrong_use_of_train_is_reported(base, data, tmp_path):
    (tmp_path / "shop.json").write_text(recipe(base, epochs=1).model_dump_json())
    options = ["train", "--recipe", str(tmp_path / "shop.json"), "--data", str(data), "--run", str(tmp_path / "run")]

    both = CliRunner().invoke(app, [*options, "--validation", "other.jsonl"])
    done = CliRunner().invoke(app, [*options, "--no-bundle", "--anyway"])
    compared = CliRunner().invoke(app, ["compare", str(tmp_path / "run"), "--texts", str(data / "validation.jsonl")])

    assert both.exit_code == 2
    assert "no bundle was written" in done.output
    assert "run `hangtag train` again without --no-bundle" in str(compared.exception)


def test_the_first_line_says_with_what_it_trains_and_where_it_resumes(base, data, tmp_path):
    notes: list[str] = []

    def kill(at: Progress) -> None:
        if at.epoch == 2:
            raise KeyboardInterrupt

    chosen = recipe(base, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, data, tmp_path / "run", None, Watcher(note=notes.append, step=kill))
    (first,) = notes
    train(chosen, data, tmp_path / "run", None, Watcher(note=notes.append))
    train(chosen, data, tmp_path / "run", None, Watcher(note=notes.append))

    assert re.fullmatch(
        r"Training on the CPU with \d+ threads? in fp32; 240 training and 60 validation products, 6 tags in 2 facets; "
        r"at most 3 epochs of 15 steps, about \d+ s",
        first,
    )
    assert notes[2:] == [
        f"Resuming at epoch 2, step 1 of 15, from {tmp_path / 'run' / 'resume.pt'}",
        f"{tmp_path / 'run'} holds a trained run: it is not trained again",
    ]


def test_training_that_diverges_is_stopped_and_reported(base, data, tmp_path):
    with pytest.raises(DivergedError, match="lower learning_rate"):
        train(recipe(base, learning_rate=1e30, head_learning_rate=1e30), data, tmp_path, None)


def test_one_process_at_a_time_trains_in_a_folder(base, data, tmp_path):
    with locked(tmp_path), pytest.raises(FolderInUseError, match="another process"):
        train(recipe(base, epochs=1), data, tmp_path, None)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_the_bundle_has_the_scores_of_the_trained_model(base, data, trained, engine):
    """The scores of the bundle's engines are close to those of the fine-tuned weights."""
    from hangtag.trainer.data.examples import collate
    from hangtag.trainer.running.prepared import prepare

    folder, *_ = trained
    prepared = prepare(recipe(base), data)
    model = prepared.model(recipe(base))
    model.load_state_dict(load_file(folder / "best.safetensors"))
    model.eval()
    with torch.inference_mode():
        expected = torch.sigmoid(model(*collate(prepared.validation)[:3])).numpy()
    bundle = load_bundle(folder / "bundle")
    opened = open_engine(bundle, engine)
    try:
        found = 1 / (1 + np.exp(-opened.forward([example.tokens for example in prepared.validation])))
    finally:
        opened.close()

    assert np.abs(found - expected).mean() < 0.02


def test_evaluate_prints_the_figures_of_scikit_learn(data, trained):
    folder, *_ = trained
    products = read_labelled([data / "validation.jsonl"])

    done = CliRunner().invoke(
        app, ["evaluate", str(data / "validation.jsonl"), "--bundle", str(folder / "bundle"), "--json"]
    )
    facet = json.loads(done.stdout)["facets"]["color"]
    bundle = load_bundle(folder / "bundle")
    engine = open_engine(bundle, "cpu")
    where = bundle.schema.slices["color"]
    logits = engine.forward(bundle.tokenizer([product.text for product in products]))[:, where]
    engine.close()
    truth = [next(iter(tag for tag in product.tags if tag.startswith("color:"))) for product in products]
    predicted = [bundle.schema.facets[0].tags[at] for at in logits.argmax(1)]

    assert done.exit_code == 0
    for average in ("weighted", "macro", "micro"):
        assert facet[f"{average}_f1"] == pytest.approx(f1_score(truth, predicted, average=average))
    assert facet["support"] == 60
    assert set(facet["tags"]) == {f"color:{color}" for color in COLORS}
