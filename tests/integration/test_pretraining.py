"""Continued pre-training: it learns, resumes, and writes a base model."""

import json
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("transformers", reason="transformers is not installed (extra train)")

from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.trainer.data.labelled import read_labelled
from hangtag.trainer.files.folder_lock import FolderInUseError
from hangtag.trainer.fitting.base_model import BaseModelError
from hangtag.trainer.pretraining import PretrainingError, PretrainingSettings, Step, pretrain
from hangtag.trainer.pretraining.masking import Masker
from hangtag.trainer.recipe.columns import Columns
from hangtag.trainer.running.train import train
from tests.integration.stopped_command import stopped_after
from tests.integration.tiny_shop import recipe, write_base, write_data


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """The small BERT with a mask token."""
    folder = write_base(tmp_path_factory.mktemp("base"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["[MASK]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig.from_pretrained(folder)
    config.vocab_size = tokenizer.get_vocab_size()
    torch.manual_seed(0)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    data = write_data(tmp_path_factory.mktemp("texts"))
    return [product.text for product in read_labelled([data / "train.jsonl"], Columns(labelled=False))]


def settings(base: Path, **changes) -> PretrainingSettings:
    chosen = {"base_model": str(base), "epochs": 12, "batch_size": 8, "learning_rate": 3e-3, "max_tokens": 32}
    return PretrainingSettings(**(chosen | {"save_steps": 10, "held_out": 0.2} | changes))


@pytest.mark.timeout(60)
def test_it_learns_to_predict_masked_words_and_writes_a_base_model(base, texts, tmp_path):
    found = pretrain(settings(base), texts, tmp_path / "model")

    assert found.loss_after < 0.7 * found.loss_before
    assert found.texts == len(set(texts))
    assert not (tmp_path / "model" / "checkpoints").exists()
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "model"))
    assert set(after) == set(before)
    assert not torch.equal(before["embeddings.word_embeddings.weight"], after["embeddings.word_embeddings.weight"])
    data = write_data(tmp_path)
    assert train(recipe(tmp_path / "model", epochs=1), data, tmp_path / "run", None) is None


class KilledError(Exception):
    """Stands for a kill between two checkpoints."""


def kill(at: Step) -> None:
    if at.step == 24:
        raise KilledError


@pytest.mark.timeout(120)
def test_a_killed_call_is_resumed_and_a_finished_one_is_not_repeated(base, texts, tmp_path):
    whole = pretrain(settings(base), texts, tmp_path / "whole")
    with pytest.raises(KilledError):
        pretrain(settings(base), texts, tmp_path / "cut", kill)
    steps = []
    cut = pretrain(settings(base), texts, tmp_path / "cut", lambda at: steps.append(at.step))

    assert steps[0] == 21
    assert cut == whole
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "cut" / "steps.jsonl").read_text() == (tmp_path / "whole" / "steps.jsonl").read_text()
    assert pretrain(settings(base), texts, tmp_path / "cut", lambda _: pytest.fail("it trains again")) == whole
    with pytest.raises(PretrainingError, match="other settings"):
        pretrain(settings(base, epochs=1), texts, tmp_path / "cut")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("state", [None, '{"global_step": 3'])
def test_a_kill_while_a_checkpoint_is_written_loses_only_that_checkpoint(state, base, texts, tmp_path):
    with pytest.raises(KilledError):
        pretrain(settings(base), texts, tmp_path, kill)
    broken = tmp_path / "checkpoints" / "checkpoint-30"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"half of it")
    if state is not None:
        (broken / "trainer_state.json").write_text(state)
    steps = []

    pretrain(settings(base), texts, tmp_path, lambda at: steps.append(at.step))

    assert steps[0] == 21


def test_a_kill_before_the_first_checkpoint_starts_again(base, texts, tmp_path):
    with pytest.raises(KilledError):
        pretrain(settings(base, save_steps=100), texts, tmp_path, kill)
    steps = []

    pretrain(settings(base, save_steps=100), texts, tmp_path, lambda at: steps.append(at.step))

    assert steps[0] == 1
    written = [json.loads(line)["step"] for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert written == sorted(set(written))


def test_every_tenth_and_the_last_step_are_written_as_json_lines(base, texts, tmp_path):
    found = pretrain(settings(base), texts, tmp_path)

    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(10, found.steps, 10), found.steps]
    assert {line["steps"] for line in lines} == {found.steps}
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["learning_rate"] < lines[1]["learning_rate"]


@pytest.mark.parametrize("epochs", [1, 12])
def test_a_loss_that_is_not_finite_is_reported_and_no_base_model_is_written(epochs, base, texts, tmp_path):
    for _ in range(2):
        with pytest.raises(PretrainingError, match="lower learning rate"):
            pretrain(settings(base, learning_rate=1e12, epochs=epochs), texts, tmp_path / "model")

    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_unrelated_files_are_not_overwritten(base, texts, tmp_path):
    before = {file.name: file.read_bytes() for file in base.iterdir()}
    with pytest.raises(PretrainingError, match="is the base model itself"):
        pretrain(settings(base), texts, base)
    with pytest.raises(PretrainingError, match="not from pre-training"):
        pretrain(settings(base), texts, base.parent)
    assert {file.name: file.read_bytes() for file in base.iterdir()} == before

    (tmp_path / "pretraining.json.part").write_text("{")
    pretrain(settings(base, epochs=1), texts, tmp_path)


def test_one_process_at_a_time(base, texts, tmp_path):
    def second(_: Step) -> None:
        with pytest.raises(FolderInUseError, match="another process"):
            pretrain(settings(base, epochs=1), texts, tmp_path)

    pretrain(settings(base, epochs=1), texts, tmp_path, second)


def test_masks_depend_only_on_the_epoch_and_the_batch(base):
    special = PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"), mask_token="[MASK]", pad_token="[PAD]"
    )
    masker = Masker(special, mlm_probability=0.3)
    batch = [{"input_ids": list(range(10, 40)), "token_type_ids": [0] * 30} for _ in range(4)]

    first, again, later = (masker([each | {"epoch": epoch} for each in batch])["labels"] for epoch in (0, 0, 1))

    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_a_batch_of_few_words_always_has_a_token_to_predict(base):
    special = PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"), mask_token="[MASK]", pad_token="[PAD]"
    )
    masker = Masker(special, mlm_probability=0.01)

    labels = [masker([{"input_ids": [at, 8], "token_type_ids": [0, 0]}])["labels"] for at in range(10, 40)]

    assert all((each >= 0).any() for each in labels)


def test_batches_are_used_as_planned(base, texts, tmp_path, monkeypatch):
    """An epoch's last batch is not filled up from the next epoch."""
    read, masked = [], Masker.torch_call

    def record(masker, examples):
        read.append([each.get("epoch") for each in examples])
        return masked(masker, examples)

    monkeypatch.setattr(Masker, "torch_call", record)
    found = pretrain(settings(base, epochs=3), texts, tmp_path)

    full, rest = divmod(found.texts - int(found.texts * 0.2), 8)
    assert rest
    assert found.steps == 3 * (full + 1)
    for epoch in range(3):
        sizes = sorted(len(batch) for batch in read if set(batch) == {epoch})
        assert sizes == [rest, *[8] * full]


def test_too_few_texts_and_a_missing_mask_token_are_refused(base, texts, tmp_path):
    with pytest.raises(PretrainingError, match="too few"):
        pretrain(settings(base), texts[:3], tmp_path / "a")
    with pytest.raises(BaseModelError, match="MASK"):
        pretrain(settings(write_base(tmp_path / "other")), texts, tmp_path / "b")


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("shop") / "shop.jsonl"
    file.write_text("\n".join(f'{{"Nr": "{at}", "Name": "red cat {at} game"}}' for at in range(40)))
    return file


COLUMNS = ["--column", "product_id=Nr", "--column", "title=Name"]


def test_the_command_reads_files_without_labels(base, shop, tmp_path):
    out = tmp_path / "[" / "b]"

    done = CliRunner().invoke(app, ["pretrain", str(shop), "--out", str(out), "--base-model", str(base), *COLUMNS])

    assert done.exit_code == 0, done.output
    assert "loss per masked token" in " ".join(done.output.split())
    assert f"--base-model {out}" in done.stdout
    assert json.loads((out / "pretraining.json").read_text())["result"]["texts"] == 40


def test_errors_of_the_command_are_one_sentence(base, shop, tmp_path):
    empty, taken = tmp_path / "empty.jsonl", tmp_path / "taken"
    empty.touch()
    taken.touch()

    def error_of(*arguments: object) -> str:
        done = CliRunner().invoke(app, ["pretrain", "--base-model", str(base), *map(str, arguments), *COLUMNS])
        assert isinstance(done.exception, CommandError)
        return str(done.exception)

    assert "no such file" in error_of(tmp_path / "none.jsonl", "--out", tmp_path / "m")
    assert "0 different texts" in error_of(empty, "--out", tmp_path / "m")
    assert str(taken) in error_of(shop, "--out", taken)
    assert str(taken) in error_of(shop, "--out", taken / "m")
    assert "name=column" in error_of(shop, "--out", tmp_path / "m", "--column", "Name")
    assert "is the base model itself" in error_of(shop, "--out", base)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_says_how_to_continue(number, base, shop, tmp_path):
    out = tmp_path / "m"
    options = ["--out", str(out), "--base-model", str(base), "--epochs", "5000", *COLUMNS]

    code, output = stopped_after("Training on the other texts", number, "pretrain", str(shop), *options)

    assert code == 130
    assert output[-1] == f"stopped; run the same command again to resume from the last checkpoint in {out}"
    assert not any("Traceback" in line for line in output)
