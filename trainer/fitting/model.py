"""The network to fine-tune: a BERT encoder, mean pooling and one linear head over all tags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from hangtag.trainer.fitting.base_model import BaseModelError, unusable


class TagModel(nn.Module):
    """Maps token ids to one logit per tag, in the schema's order.

    With `scope`, a last logit follows: whether the text is about a product at all.
    """

    def __init__(self, encoder: Any, tags: int, dropout: float, *, scope: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.tags, self.has_scope = tags, scope
        self.head = nn.Linear(encoder.config.hidden_size, tags + scope)

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Logits of shape (batch, tags), with scope (batch, tags + 1); `mask` is 1 on tokens and 0 on padding."""
        pooled = self.pooled(ids, mask, segments)
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def pooled(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """The head's input: the mean of each text's token vectors, float32 (batch, hidden)."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        weights = mask.unsqueeze(-1).to(torch.float32)
        mean: Tensor = (hidden.float() * weights).sum(1) / weights.sum(1)
        return mean


def load_encoder(path: str) -> tuple[nn.Module, Tokenizer, dict[str, Any]]:
    """Load a BERT checkpoint without its pooler: the encoder, its fast tokenizer and its config.

    Raises:
        BaseModelError: the checkpoint is not a BERT model or cannot be read.
    """
    # Without this, transformers warns about the pooler, which is left out on purpose.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(path)
        if config.model_type != "bert":
            msg = f"{path} is a {config.model_type} checkpoint; the engines only run BERT encoders"
            raise BaseModelError(msg)
        encoder = AutoModel.from_pretrained(path, config=config, add_pooling_layer=False, dtype=torch.float32)
    except (OSError, ValueError, SafetensorError) as error:  # transformers raises ValueError for what it cannot read
        raise unusable(path, error) from error
    return encoder, load_tokenizer(path), config.to_dict()


def keep_layers(encoder: Any, config: dict[str, Any], layers: Sequence[int]) -> None:
    """Remove all other layers from an encoder and its config, in place; if `layers` is empty, all stay.

    Raises:
        BaseModelError: the encoder has no such layer.
    """
    if not layers:
        return
    every = encoder.encoder.layer
    if max(layers) >= len(every):
        msg = f"keep_layers has layer {max(layers)}, but the base model's last layer is {len(every) - 1}"
        raise BaseModelError(msg)
    encoder.encoder.layer = nn.ModuleList(every[at] for at in layers)
    for place, layer in enumerate(encoder.encoder.layer):
        layer.attention.self.layer_idx = place  # the index of a trained prefix's keys and values
    encoder.config.num_hidden_layers = config["num_hidden_layers"] = len(layers)


def load_tokenizer(path: str) -> Tokenizer:
    """Load a checkpoint's fast tokenizer.

    Raises:
        BaseModelError: it cannot be read.
    """
    try:
        tokenizer_file = Path(path) / "tokenizer.json"
        if tokenizer_file.is_file():
            return Tokenizer.from_file(str(tokenizer_file))
        return Tokenizer.from_str(AutoTokenizer.from_pretrained(path).backend_tokenizer.to_str())
    except Exception as error:  # tokenizers raises plain Exception
        raise unusable(path, error) from error
