"""Early stopping: the kept epoch and the end of a run, by the scores on the validation products."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")

from safetensors.torch import load_file

from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.fit import fit
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.running.prepared import prepare
from hangtag.trainer.running.train import train
from tests.integration.tiny_shop import recipe, write_base, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def fitted(start: Recipe, data, folder, monkeypatch, *scores: float):
    """Fit with given scores of the epochs; returns the model, each epoch's weights and the number of epochs."""
    folder.mkdir()
    prepared = prepare(start, data)
    model = prepared.model(start)
    given = iter(scores)
    after = []

    def score(*_):
        after.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"color": next(given)}

    monkeypatch.setattr("hangtag.trainer.fitting.fit.facet_scores", score)
    history = fit(model, prepared.train, prepared.validation, start, RunFolder(folder))
    return model, after, len(history)


def same(weights, others) -> bool:
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("patience", "scores", "epochs", "best"),
    [
        (1, (0.5, 0.4, 0.9, 0.9), 2, 1),
        (2, (0.5, 0.4, 0.6, 0.5, 0.5, 0.9), 5, 3),
        (2, (0.5, 0.5, 0.5, 0.9), 3, 1),
        (4, (0.1, 0.4, 0.3, 0.2), 4, 2),
    ],
    ids=[
        "patience of 1",
        "a better epoch restarts the count",
        "an equal score is not better",
        "the last epoch ends it",
    ],
)
def test_the_best_epoch_is_kept_and_patience_ends_the_run(
    patience, scores, epochs, best, base, data, tmp_path, monkeypatch
):
    start = recipe(base, epochs=len(scores), patience=patience)

    model, after, count = fitted(start, data, tmp_path / "run", monkeypatch, *scores)

    assert count == epochs
    assert same(after[best - 1], model.state_dict())
    assert same(after[best - 1], load_file(tmp_path / "run" / "best.safetensors"))
    assert not same(after[best - 1], after[best % epochs])
    assert not (tmp_path / "run" / "resume.pt").exists()


def test_the_last_epoch_is_kept_with_keep_last(base, data, tmp_path, monkeypatch):
    start = recipe(base, epochs=3, patience=3, keep="last")

    model, after, count = fitted(start, data, tmp_path / "run", monkeypatch, 0.5, 0.9, 0.4)

    assert count == 3
    assert same(after[-1], model.state_dict())


def test_training_with_a_high_learning_rate_keeps_the_epoch_before_it_got_worse(base, data, tmp_path):
    """With real scores: at this learning rate, a later epoch is worse."""
    start = recipe(base, epochs=20, patience=1, learning_rate=0.5, head_learning_rate=0.5, warmup=0.0)
    prepared = prepare(start, data)
    model = prepared.model(start)

    history = fit(model, prepared.train, prepared.validation, start, RunFolder(tmp_path))

    scores = [epoch.score for epoch in history]
    assert 1 < len(scores) < 20
    assert scores.index(max(scores)) == len(scores) - 2


def test_validation_without_known_tags_is_refused_before_training(base, data, tmp_path):
    """The folder can then be used with corrected files."""
    files = shutil.copytree(data, tmp_path / "data")
    text = (files / "validation.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    start = recipe(base, epochs=1)
    unknown = [row | {"facets": ["color"], "tags": [row["tags"][0].replace("color:", "color:very ")]} for row in rows]
    (files / "validation.jsonl").write_text("\n".join(map(json.dumps, unknown)))
    with pytest.raises(RecipeError, match="no training product has color:very"):
        prepare(start, files)

    without = [row | {"facets": ["theme"], "tags": []} for row in rows]
    (files / "validation.jsonl").write_text("\n".join(map(json.dumps, without)))
    prepared = prepare(start, files)

    with pytest.raises(RecipeError, match="no validation product can be scored"):
        fit(prepared.model(start), prepared.train, prepared.validation, start, RunFolder(tmp_path))
    with pytest.raises(RecipeError, match="no validation product can be scored"):
        train(start, files, tmp_path / "run", None)

    (files / "validation.jsonl").write_text(text)
    train(start, files, tmp_path / "run", None)
    assert RunFolder(tmp_path / "run").is_trained
