"""transformers' own BERT in float32 with padding: what every engine is compared with."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import BertConfig, BertModel

from hangtag.bundle import Bundle, EncoderConfig, Linear, Norm, Weights
from hangtag.text.tokens import Tokens, pad


def reference_logits(bundle: Bundle, batch: Sequence[Tokens], device: str = "cpu") -> NDArray[np.float32]:
    """Logits of a batch that is padded to its longest text."""
    weights = bundle.weights
    ids, mask, segments = (torch.from_numpy(array).to(device) for array in pad(batch))
    with torch.inference_mode():
        hidden = (
            _bert(weights, bundle.manifest.encoder)
            .to(device)(input_ids=ids, attention_mask=mask, token_type_ids=segments)
            .last_hidden_state.cpu()
        )
        real = mask.cpu().unsqueeze(-1)
        pooled = (hidden * real).sum(1) / real.sum(1)
        logits = (pooled @ torch.from_numpy(weights.head_weight).T + torch.from_numpy(weights.head_bias)).numpy()
    if weights.wide is None:
        return logits
    return logits + weights.wide.scores([tokens.features for tokens in batch if tokens.features], logits.shape[1])


def _bert(weights: Weights, encoder: EncoderConfig) -> BertModel:
    config = BertConfig(
        vocab_size=encoder.vocab,
        hidden_size=encoder.hidden,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate,
        max_position_embeddings=encoder.positions,
        type_vocab_size=encoder.segments,
        layer_norm_eps=encoder.norm_epsilon,
        pad_token_id=None,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict(_state(weights), strict=True)
    return model


def _state(weights: Weights) -> dict[str, Tensor]:
    state = {
        "embeddings.word_embeddings.weight": torch.from_numpy(weights.words.dequantised()),
        "embeddings.position_embeddings.weight": torch.from_numpy(weights.positions),
        "embeddings.token_type_embeddings.weight": torch.from_numpy(weights.segments),
        **_norm("embeddings.LayerNorm.", weights.embedding_norm),
    }
    for number, layer in enumerate(weights.layers):
        name = f"encoder.layer.{number}"
        state |= _linear(f"{name}.attention.self.query.", layer.query)
        state |= _linear(f"{name}.attention.self.key.", layer.key)
        state |= _linear(f"{name}.attention.self.value.", layer.value)
        state |= _linear(f"{name}.attention.output.dense.", layer.attention_output)
        state |= _norm(f"{name}.attention.output.LayerNorm.", layer.attention_norm)
        state |= _linear(f"{name}.intermediate.dense.", layer.intermediate)
        state |= _linear(f"{name}.output.dense.", layer.output)
        state |= _norm(f"{name}.output.LayerNorm.", layer.output_norm)
    return state


def _linear(name: str, linear: Linear) -> dict[str, Tensor]:
    return {f"{name}weight": torch.from_numpy(linear.dequantised()), f"{name}bias": torch.from_numpy(linear.bias)}


def _norm(name: str, norm: Norm) -> dict[str, Tensor]:
    return {f"{name}weight": torch.from_numpy(norm.gain), f"{name}bias": torch.from_numpy(norm.bias)}
