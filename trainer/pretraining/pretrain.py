"""Masked language modelling on a shop's texts, by transformers' Trainer; it goes on where it was stopped."""

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
from hangtag.trainer.pretraining.folder import Pretrained, checkpoints_of, claim, finish, last_whole
from hangtag.trainer.pretraining.masking import Masker, epochs_of
from hangtag.trainer.pretraining.settings import PretrainingError, PretrainingSettings
from hangtag.trainer.pretraining.telling import Step, Teller, check_loss

_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_MASK = "[MASK]"
_FEWEST = 20
_STEPS_A_LINE = 10


def pretrain(
    settings: PretrainingSettings,
    texts: Sequence[ProductText],
    folder: Path,
    on_step: Callable[[Step], object] = lambda _: None,
    on_stage: Callable[[str], object] = lambda _: None,
) -> Pretrained:
    """Go on with masked language modelling (Devlin et al. 2019, section 3.1) and leave a base model in `folder`.

    A tenth of the masked tokens stay and a tenth become others. The same call goes on from the last checkpoint; in a
    finished folder it only tells what came out. Texts that occur twice are read once. `steps.jsonl` has every tenth
    step's figures; a call that goes on writes over those of steps that it takes again.

    Raises:
        PretrainingError: too few texts, the folder belongs to other settings or texts or to something else, or the
            loss is no number any more.
        BaseModelError: the base model cannot be loaded or knows no mask.
        FolderInUseError: another process pre-trains in this folder.
        OSError: the folder cannot be written.
    """
    texts = sorted(set(texts), key=lambda text: (text.first, text.second or ""))
    if len(texts) < _FEWEST:
        msg = f"{len(texts)} different texts are too few to learn from: {_FEWEST} at least"
        raise PretrainingError(msg)
    found = claim(folder, settings, texts)
    if found is not None:
        shutil.rmtree(checkpoints_of(folder), ignore_errors=True)  # a kill may have left them
        return found
    with locked(checkpoints_of(folder)):
        result = _read_texts(settings, texts, folder, on_step, on_stage)
        finish(folder, settings, texts, result)
    return result


def _read_texts(
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
    batches = epochs_of(tokens[held_out:], settings)
    trainer = Trainer(
        model=model,
        args=_arguments(settings, folder, len(batches)),
        train_dataset=batches,
        data_collator=Masker(special, mlm_probability=settings.masked).batch,
        callbacks=[Teller(folder / "steps.jsonl", on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    on_stage("Measuring on texts that it will not read")
    before = _loss(model, tokens[:held_out], special, settings)
    on_stage("Reading the others")
    last = last_whole(checkpoints_of(folder))
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    on_stage("Measuring again")
    after = _loss(model, tokens[:held_out], special, settings)
    check_loss(after, "after the last step")
    model.bert.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    return Pretrained(before, after, len(tokens), trainer.state.global_step)


def _arguments(settings: PretrainingSettings, folder: Path, steps: int) -> TrainingArguments:
    has_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints_of(folder)),
        num_train_epochs=1,  # all epochs, laid out in one
        per_device_train_batch_size=1,  # an item is a batch as it was planned
        learning_rate=settings.learning_rate,
        warmup_steps=int(steps * settings.warmup),
        weight_decay=settings.weight_decay,
        train_sampling_strategy="sequential",
        save_steps=settings.save_steps,
        save_total_limit=1,
        logging_steps=_STEPS_A_LINE,
        logging_nan_inf_filter=False,
        bf16=True,
        use_cpu=not has_gpu,
        seed=settings.seed,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=has_gpu,
    )


def _loss(model: Any, tokens: Sequence[dict[str, Any]], tokenizer: Any, settings: PretrainingSettings) -> float:
    """Mean over all masked tokens, the same ones each time."""
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
