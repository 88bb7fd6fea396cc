"""A bundle as a folder of Hugging Face's libraries."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from hangtag.bundle import Bundle
from hangtag.bundle.files import TOKENIZER
from hangtag.trainer.exporting.as_network import network_of
from hangtag.trainer.exporting.beside import write_beside
from hangtag.trainer.exporting.card import NO_LICENCE
from hangtag.trainer.files.new_folder import new_folder

HEAD = "head.safetensors"


def write_huggingface(source: Path, bundle: Bundle, folder: Path, *, licence: str = NO_LICENCE) -> None:
    """Write encoder, tokenizer, head and model card of the bundle in `source` to a new `folder`.

    `AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained` load it; `head.safetensors` has `weight` (tags,
    hidden) and `bias` (tags,), whose rows are the tags of `tags.json`. The wide part, calibration and thresholds have
    no place in this format: `schema.json` is copied, and the card says what is missing.

    Raises:
        NewFolderError: the folder exists and is not empty.
        OSError: a file cannot be written.
    """
    network = network_of(bundle)
    with new_folder(folder) as part:
        network.encoder.save_pretrained(part)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(source / TOKENIZER),
            model_max_length=bundle.manifest.encoder.max_tokens,
            pad_token="[PAD]",  # noqa: S106 (a token of the vocabulary)
            unk_token="[UNK]",  # noqa: S106
            cls_token="[CLS]",  # noqa: S106
            sep_token="[SEP]",  # noqa: S106
            mask_token="[MASK]",  # noqa: S106
        )
        tokenizer.save_pretrained(part)
        head = {"weight": network.head.weight.detach().contiguous(), "bias": network.head.bias.detach().contiguous()}
        with torch.no_grad():
            save_file(head, part / HEAD)
        write_beside(part, source, bundle, licence)
