"""Continued pre-training: it learns, goes on where it stopped, and leaves a base model."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("transformers", reason="transformers is not installed (extra train)")

from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

from hangtag.cli.app import app
from tests.integration.tiny_shop import recipe, write_base, write_data
from trainer.data.columns import Columns
from trainer.data.labelled import read_labelled
from trainer.fitting.base_model import BaseModelError
from trainer.pretraining import PretrainingError, PretrainingSettings, Step, _Masker, pretrain
from trainer.train import train


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


def test_it_learns_to_guess_masked_words_and_leaves_a_base_model(base, texts, tmp_path):
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


def test_killed_one_goes_on_and_a_finished_one_is_left_alone(base, texts, tmp_path):
    def kill(at: Step) -> None:
        if at.step == 24:
            raise KilledError

    whole = pretrain(settings(base), texts, tmp_path / "whole")
    with pytest.raises(KilledError):
        pretrain(settings(base), texts, tmp_path / "cut", kill)
    steps = []
    cut = pretrain(settings(base), texts, tmp_path / "cut", lambda at: steps.append(at.step))

    assert steps[0] == 21
    assert cut == whole
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert pretrain(settings(base), texts, tmp_path / "cut", lambda _: pytest.fail("it trains again")) == whole
    with pytest.raises(PretrainingError, match="other settings"):
        pretrain(settings(base, epochs=1), texts, tmp_path / "cut")


def test_masks_are_others_in_each_epoch_and_the_same_for_one_that_goes_on(base):
    special = PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"), mask_token="[MASK]", pad_token="[PAD]"
    )
    masker = _Masker(special, mlm_probability=0.3)
    batch = [{"input_ids": list(range(10, 40)), "token_type_ids": [0] * 30} for _ in range(4)]

    first, again, later = (masker([each | {"epoch": epoch} for each in batch])["labels"] for epoch in (0, 0, 1))

    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_what_cannot_be_done_is_said(base, texts, tmp_path):
    with pytest.raises(PretrainingError, match="too few"):
        pretrain(settings(base), texts[:3], tmp_path / "a")
    with pytest.raises(BaseModelError, match="MASK"):
        pretrain(settings(write_base(tmp_path / "other")), texts, tmp_path / "b")


def test_command_reads_files_without_labels(base, tmp_path):
    rows = [f'{{"Nr": "{at}", "Name": "red cat {at} game"}}' for at in range(40)]
    (tmp_path / "shop.jsonl").write_text("\n".join(rows))
    columns = ["--column", "product_id=Nr", "--column", "title=Name"]

    done = CliRunner().invoke(
        app,
        ["pretrain", str(tmp_path / "shop.jsonl"), "--out", str(tmp_path / "m"), "--base-model", str(base), *columns],
    )

    assert done.exit_code == 0, done.output
    assert "loss per masked token" in " ".join(done.output.split())
    assert json.loads((tmp_path / "m" / "pretraining.json").read_text())["result"]["texts"] == 40
