"""Continued pre-training: a base model reads a shop's texts, without labels, before it is fine-tuned."""

import hashlib
import json
import random
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import (
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from hangtag.product_text import ProductText
from hangtag.tokens import ProductTokenizer
from trainer.data.examples import batches
from trainer.fitting.base_model import BaseModelError, resolve_base_model
from trainer.fitting.model import load_encoder

_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_MASK = "[MASK]"
_FEWEST = 20


class PretrainingError(ValueError):
    """It cannot be done; the message says why."""


class PretrainingSettings(BaseModel):
    """Everything that decides what comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_model: str = "starter"
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.06, ge=0, lt=1, description="part of all steps; then linear decay to zero")
    weight_decay: float = Field(default=0.01, ge=0)
    max_tokens: int = Field(default=128, ge=8, le=512)
    masked: float = Field(default=0.15, gt=0, lt=1, description="part of the tokens that are guessed")
    held_out: float = Field(default=0.05, gt=0, lt=1, description="part of the texts that is only measured on")
    save_steps: int = Field(default=100, ge=1, description="steps between checkpoints")
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What came out: mean loss per masked token (nats) on held-out texts, before and after, and what was read."""

    loss_before: float
    loss_after: float
    texts: int
    steps: int


@dataclass(frozen=True, slots=True)
class Step:
    """Where it stands."""

    step: int
    steps: int
    loss: float | None


def pretrain(
    settings: PretrainingSettings,
    texts: Sequence[ProductText],
    folder: Path,
    on_step: Callable[[Step], object] = lambda _: None,
) -> Pretrained:
    """Go on with masked language modelling (Devlin et al. 2019, section 3.1) and leave a base model in `folder`.

    A tenth of the masked tokens stay and a tenth become others. The same call goes on from the last checkpoint; in a
    finished folder it only tells what came out. Texts that occur twice are read once.

    Raises:
        PretrainingError: too few texts, or the folder belongs to other settings or texts.
        BaseModelError: the base model cannot be loaded or knows no mask.
    """
    texts = sorted(set(texts), key=lambda text: (text.first, text.second or ""))
    if len(texts) < _FEWEST:
        msg = f"{len(texts)} different texts are too few to learn from: {_FEWEST} at least"
        raise PretrainingError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    found = _claim(folder, settings, texts)
    if found is not None:
        return found
    random.Random(settings.seed).shuffle(texts)
    path = resolve_base_model(settings.base_model)
    _, tokenizer, _ = load_encoder(path)
    if tokenizer.token_to_id(_MASK) is None:
        msg = f"{settings.base_model}: its tokenizer has no {_MASK}, so it cannot go on with masked language modelling"
        raise BaseModelError(msg)
    tokens = [
        {"input_ids": each.ids.tolist(), "token_type_ids": each.segments.tolist()}
        for each in ProductTokenizer(tokenizer, settings.max_tokens)(texts)
    ]
    held_out = max(1, int(len(tokens) * settings.held_out))
    special = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token=_MASK, **_SPECIAL)
    torch.manual_seed(settings.seed)
    model = BertForMaskedLM.from_pretrained(path, dtype=torch.float32)
    trainer = Trainer(
        model=model,
        args=_arguments(settings, folder, len(tokens) - held_out),
        train_dataset=_epochs(tokens[held_out:], settings),
        data_collator=_Masker(special, mlm_probability=settings.masked),
        callbacks=[_Teller(on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    last = get_last_checkpoint(str(_checkpoints(folder))) if _checkpoints(folder).is_dir() else None
    before = _loss(model, tokens[:held_out], special, settings)
    trainer.train(resume_from_checkpoint=last)
    after = _loss(model, tokens[:held_out], special, settings)
    model.bert.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    result = Pretrained(before, after, len(tokens), trainer.state.global_step)
    _write(folder, _about(settings, texts) | {"result": asdict(result)})
    shutil.rmtree(_checkpoints(folder), ignore_errors=True)
    return result


def _epochs(tokens: Sequence[dict[str, Any]], settings: PretrainingSettings) -> list[dict[str, Any]]:
    """Every epoch's texts one after the other, in batches of like length, in the order in which they are read.

    A sampler that draws while it reads would draw anew where a killed one goes on.
    """
    rng = random.Random(settings.seed)
    lengths = [len(each["input_ids"]) for each in tokens]
    return [
        tokens[at] | {"epoch": epoch}
        for epoch in range(settings.epochs)
        for batch in _whole_first(batches(lengths, settings.batch_size, rng), settings.batch_size)
        for at in batch
    ]


def _whole_first(plan: list[list[int]], size: int) -> list[list[int]]:
    # The loader cuts batches by count: those that are not full may only stand at the end.
    return sorted(plan, key=lambda batch: len(batch) < size)


def _arguments(settings: PretrainingSettings, folder: Path, texts: int) -> TrainingArguments:
    steps = -(-texts * settings.epochs // settings.batch_size)
    has_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(_checkpoints(folder)),
        num_train_epochs=1,  # all epochs, laid out in one
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=int(steps * settings.warmup),
        weight_decay=settings.weight_decay,
        train_sampling_strategy="sequential",
        save_steps=settings.save_steps,
        save_total_limit=1,
        logging_steps=10,
        bf16=True,
        use_cpu=not has_gpu,
        seed=settings.seed,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=has_gpu,
    )


class _Masker(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """Masks that hang on the epoch and the batch alone: one that goes on masks what an unbroken one would.

    The loader is a batch ahead of the steps, so the process's random state at a checkpoint cannot tell them.
    """

    def torch_call(self, examples: Any) -> Any:
        tokens = [{name: each[name] for name in ("input_ids", "token_type_ids")} for each in examples]
        seen = [examples[0].get("epoch", 0), *(token for each in tokens for token in each["input_ids"])]
        self.generator = torch.Generator().manual_seed(zlib.crc32(np.asarray(seen, np.int32).tobytes()))
        return super().torch_call(tokens)


class _Teller(TrainerCallback):  # type: ignore[misc]
    """Tells of every step; nothing is printed."""

    def __init__(self, on_step: Callable[[Step], object]) -> None:
        self._on_step = on_step
        self._loss: float | None = None

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:
        self._loss = float(logs.get("loss", self._loss or 0.0))

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._on_step(Step(state.global_step, state.max_steps, self._loss))


def _loss(model: Any, tokens: Sequence[dict[str, Any]], tokenizer: Any, settings: PretrainingSettings) -> float:
    """Mean over all masked tokens, the same ones each time."""
    collate = _Masker(tokenizer, mlm_probability=settings.masked)
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(tokens), settings.batch_size):
            batch = collate([dict(each) for each in tokens[start : start + settings.batch_size]]).to(model.device)
            masked = int((batch["labels"] >= 0).sum())
            if masked:
                total += float(model(**batch).loss) * masked
                count += masked
    return total / max(1, count)


def _claim(folder: Path, settings: PretrainingSettings, texts: Sequence[ProductText]) -> Pretrained | None:
    about, file = _about(settings, texts), folder / "pretraining.json"
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if {name: kept.get(name) for name in about} != about:
            msg = f"{folder} holds a base model of other settings or texts (see {file}): name another folder"
            raise PretrainingError(msg)
        return Pretrained(**kept["result"]) if "result" in kept else None
    _write(folder, about)
    return None


def _about(settings: PretrainingSettings, texts: Sequence[ProductText]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for first, second in sorted((text.first, text.second or "") for text in texts):
        digest.update(f"{first}\0{second}\0".encode())
    return {"settings": settings.model_dump(), "texts": digest.hexdigest()}


def _write(folder: Path, about: dict[str, Any]) -> None:
    part = folder / "pretraining.json.part"
    part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / "pretraining.json")


def _checkpoints(folder: Path) -> Path:
    return folder / "checkpoints"
