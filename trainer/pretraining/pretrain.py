"""Masked language modelling on a shop's texts, with transformers' Trainer; it resumes where it was stopped."""

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import BertForMaskedLM, PreTrainedTokenizerFast, PrinterCallback, Trainer, TrainingArguments

from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.files.folder_lock import locked
from hangtag.trainer.fitting.base_model import BaseModelError, resolve_base_model
from hangtag.trainer.fitting.model import load_encoder
from hangtag.trainer.pretraining.folder import Pretrained, checkpoints_of, claim, finish, last_complete
from hangtag.trainer.pretraining.masking import Masker, epochs_of
from hangtag.trainer.pretraining.progress import ProgressWriter, Step, check_loss
from hangtag.trainer.pretraining.settings import PretrainingError, PretrainingSettings

_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_MASK = "[MASK]"
_MIN_TEXTS = 20
_STEPS_PER_LINE = 10


def pretrain(
    settings: PretrainingSettings,
    texts: Sequence[ProductText],
    folder: Path,
    on_step: Callable[[Step], object] = lambda _: None,
    on_stage: Callable[[str], object] = lambda _: None,
) -> Pretrained:
    """Train a base model on texts by masked language modelling (Devlin et al. 2019, section 3.1) into `folder`.

    Of the masked tokens, a tenth keep their token and a tenth get a random one. The same call resumes from the last
    checkpoint, or returns the result if the folder is finished. Repeated texts are used once. `steps.jsonl` has the
    figures of every tenth step; a resumed call overwrites those of steps that it repeats.

    Raises:
        PretrainingError: there are too few texts, the folder holds other settings, texts or files, or the loss is not a
            finite number.
        BaseModelError: the base model cannot be loaded or has no mask token.
        FolderInUseError: another process pre-trains in this folder.
        OSError: the folder cannot be written.
    """
    texts = sorted(set(texts), key=lambda text: (text.first, text.second or ""))
    if len(texts) < _MIN_TEXTS:
        msg = f"{len(texts)} different texts are too few: at least {_MIN_TEXTS} are needed"
        raise PretrainingError(msg)
    found = claim(folder, settings, texts)
    if found is not None:
        shutil.rmtree(checkpoints_of(folder), ignore_errors=True)  # a killed process may have left them
        return found
    with locked(checkpoints_of(folder)):
        result = _train(settings, texts, folder, on_step, on_stage)
        finish(folder, settings, texts, result)
    return result


def _train(
    settings: PretrainingSettings,
    texts: list[ProductText],
    folder: Path,
    on_step: Callable[[Step], object],
    on_stage: Callable[[str], object],
) -> Pretrained:
    on_stage("Tokenising")
    random.Random(settings.seed).shuffle(texts)
    path = resolve_base_model(settings.base_model)
    _, tokenizer, _ = load_encoder(path)
    if tokenizer.token_to_id(_MASK) is None:
        msg = f"{settings.base_model}: the tokenizer has no {_MASK}, which masked language modelling needs"
        raise BaseModelError(msg)
    tokens = [
        {"input_ids": each.ids.tolist(), "token_type_ids": each.segments.tolist()}
        for each in ProductTokenizer(tokenizer, settings.max_tokens)(texts)
    ]
    held_out = max(1, int(len(tokens) * settings.held_out))
    special = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token=_MASK, **_SPECIAL)
    torch.manual_seed(settings.seed)
    model = BertForMaskedLM.from_pretrained(path, dtype=torch.float32)
    batches = epochs_of(tokens[held_out:], settings)
    trainer = Trainer(
        model=model,
        args=_arguments(settings, folder, len(batches)),
        train_dataset=batches,
        data_collator=Masker(special, mlm_probability=settings.masked).batch,
        callbacks=[ProgressWriter(folder / "steps.jsonl", on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    on_stage("Evaluating on held-out texts")
    before = _loss(model, tokens[:held_out], special, settings)
    on_stage("Training on the other texts")
    last = last_complete(checkpoints_of(folder))
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    on_stage("Evaluating again")
    after = _loss(model, tokens[:held_out], special, settings)
    check_loss(after, "after the last step")
    model.bert.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    return Pretrained(before, after, len(tokens), trainer.state.global_step)


def _arguments(settings: PretrainingSettings, folder: Path, steps: int) -> TrainingArguments:
    has_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints_of(folder)),
        num_train_epochs=1,  # the data set has the batches of all epochs
        per_device_train_batch_size=1,  # an item is a planned batch
        learning_rate=settings.learning_rate,
        warmup_steps=int(steps * settings.warmup),
        weight_decay=settings.weight_decay,
        train_sampling_strategy="sequential",
        save_steps=settings.save_steps,
        save_total_limit=1,
        logging_steps=_STEPS_PER_LINE,
        logging_nan_inf_filter=False,
        bf16=True,
        use_cpu=not has_gpu,
        seed=settings.seed,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=has_gpu,
    )


def _loss(model: Any, tokens: Sequence[dict[str, Any]], tokenizer: Any, settings: PretrainingSettings) -> float:
    """The mean loss over all masked tokens, which are the same in each call."""
    collate = Masker(tokenizer, mlm_probability=settings.masked)
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
