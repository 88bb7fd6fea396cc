"""Every fine-tuning method: trained weights, saved weights, resuming, several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("peft", reason="peft is not installed (extra train)")

from safetensors.torch import load_file

from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.epochs import Progress
from hangtag.trainer.fitting.fit import fit
from hangtag.trainer.fitting.predict import predict
from hangtag.trainer.fitting.tuning import Tuning
from hangtag.trainer.recipe.recipe import RecipeError
from hangtag.trainer.running.prepared import prepare
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe, write_base, write_data

KINDS = ("full", "head", "top", "lora", "adalora", "ia3", "prefix")
MERGED = KINDS[:-1]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"), hidden_dropout_prob=0, attention_probs_dropout_prob=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def settings(base, kind="full", **changes):
    return recipe(base, method={"kind": kind, "layers": 1}, epochs=2, **changes)


def run_of(recipe, data, folder) -> tuple:
    prepared = prepare(recipe, data)
    model = prepared.model(recipe)
    folder = RunFolder(folder)
    folder.claim(recipe, prepared.data_fingerprint, prepared.schema)
    history = fit(model, prepared.train, prepared.validation, recipe, folder)
    return prepared, model, history


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS)
def test_a_reloaded_run_has_equal_scores(base, data, tmp_path, kind):
    chosen = settings(base, kind)
    prepared, model, history = run_of(chosen, data, tmp_path)
    trained = predict(model, prepared.validation, chosen)

    again = prepare(chosen, data)
    fresh = again.model(chosen)
    before = fresh.head.weight.detach().clone()
    Tuning(fresh, chosen.method, 10).finish(load_file(tmp_path / "best.safetensors"))

    assert np.array_equal(predict(fresh, prepared.validation, chosen), trained)
    assert not torch.equal(fresh.head.weight, before)
    assert len(history) == 2


@pytest.mark.parametrize("kind", MERGED)
def test_only_trained_weights_change(base, data, tmp_path, kind):
    chosen = settings(base, kind)
    prepared = prepare(chosen, data)
    before = {name: tensor.clone() for name, tensor in prepared.model(chosen).state_dict().items()}
    run_of(chosen, data, tmp_path)
    after = load_file(tmp_path / "best.safetensors")

    changed = {name for name in before if not torch.equal(before[name], after[name])}

    assert set(after) == set(before)
    assert {"head.weight", "head.bias"} <= changed
    encoder = {name.removeprefix("encoder.") for name in changed if name.startswith("encoder.")}
    if kind == "full":
        assert any(name.startswith("embeddings") for name in encoder)
    elif kind == "head":
        assert not encoder
    elif kind == "top":
        assert encoder
        assert all(name.startswith("encoder.layer.1.") for name in encoder)
    else:
        assert encoder
        assert all(name.startswith("encoder.layer.") for name in encoder)
        assert not any("LayerNorm" in name for name in encoder)


@pytest.mark.parametrize("kind", ["lora", "adalora", "ia3"])
def test_merged_weights_have_the_same_scores_as_adapters(base, data, kind):
    chosen = settings(base, kind)
    prepared = prepare(chosen, data)
    model = prepared.model(chosen)
    tuning = Tuning(model, chosen.method, 10)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.encoder.named_parameters():
            if "lora_" in name or "ia3_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    wrapped = predict(model, prepared.validation, chosen)

    tuning.finish(tuning.plain_weights(model))

    np.testing.assert_allclose(predict(model, prepared.validation, chosen), wrapped, atol=1e-4)
    plain = prepare(chosen, data).model(chosen)
    assert np.abs(predict(plain, prepared.validation, chosen) - wrapped).max() > 1e-3


class KilledError(Exception):
    """Stands for a kill in the middle of an epoch."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["lora", "adalora", "prefix"])
def test_a_killed_run_resumes_to_the_same_curve(base, data, tmp_path, kind):
    chosen = settings(base, kind, ema_decay=0.9, forward_size=6)

    def kill(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 4):
            raise KilledError

    train(chosen, data, tmp_path / "whole", None)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "cut", None, Watcher(step=kill))
    train(chosen, data, tmp_path / "cut", None)

    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    whole, cut = (load_file(tmp_path / name / "best.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_the_prefix_is_trained_and_changes_scores(base, data, tmp_path):
    chosen = settings(base, "prefix")
    prepared, model, _ = run_of(chosen, data, tmp_path)
    trained = predict(model, prepared.validation, chosen)

    (prefix,) = (parameter for name, parameter in model.named_parameters() if "prompt_encoder" in name)
    with torch.no_grad():
        prefix.zero_()

    assert np.abs(predict(model, prepared.validation, chosen) - trained).max() > 1e-3


def test_prefix_is_refused_before_training_unless_no_bundle_is_requested(base, data, tmp_path):
    with pytest.raises(RecipeError, match="--no-bundle"):
        train(settings(base, "prefix"), data, tmp_path / "run", tmp_path / "bundle")

    assert not (tmp_path / "run").exists()


def test_accumulated_gradients_equal_those_of_the_batch(base, data, tmp_path):
    train(settings(base, dropout=0), data, tmp_path / "whole", None)
    train(settings(base, dropout=0, forward_size=3), data, tmp_path / "parts", None)

    np.testing.assert_allclose(curve(tmp_path / "parts"), curve(tmp_path / "whole"), rtol=1e-3)


@pytest.mark.timeout(120)
def test_two_processes_train_like_one(base, data, tmp_path):
    chosen = settings(base, dropout=0)
    train(chosen, data, tmp_path / "one", None)
    toml = [f'base_model = "{base}"', "dropout = 0", 'precision = "fp32"']
    toml += [f"{name} = {getattr(chosen, name)}" for name in ("max_tokens", "epochs", "patience", "batch_size")]
    toml += [f"{name} = {getattr(chosen, name)}" for name in ("learning_rate", "head_learning_rate")]
    toml += ["[[sources]]", 'train = ["train.jsonl"]', 'validation = ["validation.jsonl"]']
    (tmp_path / "recipe.toml").write_text("\n".join(toml))
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "--",
        "hangtag.cli",
        "train",
    ]
    command += ["--recipe", str(tmp_path / "recipe.toml"), "--data", str(data), "--run", str(tmp_path / "two")]

    done = subprocess.run(
        [sys.executable, *command, "--no-bundle", "--anyway"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Training ...") == 1
    np.testing.assert_allclose(curve(tmp_path / "two"), curve(tmp_path / "one"), rtol=2e-3)


def test_the_tail_of_a_long_text_is_the_same_in_training_and_serving(base, data, tmp_path):
    from hangtag.bundle import load_bundle
    from hangtag.text.product_text import ProductText

    train(settings(base, tail_tokens=8), data, tmp_path / "run", tmp_path / "bundle")
    served = load_bundle(tmp_path / "bundle")
    text = ProductText.of("red game", "the best of all " * 20 + "space", "")
    (tokens,) = served.tokenizer([text])
    (trained,) = prepare(settings(base, tail_tokens=8), data).tokenizer([text])
    (cut,) = prepare(settings(base), data).tokenizer([text])

    space = served.tokenizer([ProductText.of("space", "", "")])[0].ids[1]
    assert len(tokens) == len(cut) == 32
    assert np.array_equal(tokens.ids, trained.ids)
    assert space in tokens.ids[-8:]
    assert space not in cut.ids
    assert np.array_equal(tokens.ids[:20], cut.ids[:20])
    assert served.manifest.encoder.tail_tokens == 8


def test_an_encoder_with_fewer_layers_is_trained_and_served(base, data, tmp_path):
    from hangtag.bundle import load_bundle
    from hangtag.trainer.fitting.base_model import BaseModelError

    whole = prepare(settings(base), data).model(settings(base)).state_dict()
    chosen = settings(base, keep_layers=[1], learning_rate=1e-12, head_learning_rate=1e-12)
    train(chosen, data, tmp_path / "run", tmp_path / "bundle")
    kept = load_file(tmp_path / "run" / "best.safetensors")

    name = "encoder.encoder.layer.{}.output.dense.weight"
    assert load_bundle(tmp_path / "bundle").manifest.encoder.layers == 1
    assert torch.allclose(kept[name.format(0)], whole[name.format(1)])
    assert name.format(1) not in kept
    prefix = settings(base, "prefix", keep_layers=[1])
    assert len(run_of(prefix, data, tmp_path / "prefix")[2]) == 2
    with pytest.raises(BaseModelError, match="keep_layers has layer 2"):
        prepare(settings(base, keep_layers=[0, 2]), data)
    with pytest.raises(ValueError, match="ascending"):
        settings(base, keep_layers=[1, 0])


@pytest.mark.parametrize("name", ["models/none", "/nowhere/none", "none"])
def test_a_base_model_that_is_not_found_is_reported(name, data):
    from hangtag.trainer.fitting.base_model import BaseModelError

    with pytest.raises(BaseModelError, match=f"^{name}: no such folder, and no model of that name"):
        prepare(recipe(name, epochs=1), data)


def curve(folder: Path) -> list[tuple[float, float]]:
    epochs = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [(epoch["loss"], epoch["score"]) for epoch in epochs]
