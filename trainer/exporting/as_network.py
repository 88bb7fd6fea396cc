"""A bundle's encoder and head as a network of `transformers`, for the formats of others."""

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from hangtag.bundle import Bundle, EncoderConfig, Layer, Linear, Norm


class TaggingNetwork(nn.Module):
    """BERT, the mean over a text's tokens, and the head: token ids to logits, without the wide part.

    The weights are the bundle's int8 weights as float32.
    """

    def __init__(self, encoder: BertModel, bundle: Bundle) -> None:
        super().__init__()
        self.encoder = encoder
        weights = bundle.weights
        self.head = nn.Linear(weights.head_weight.shape[1], len(weights.head_bias))
        self.head.weight = _parameter(torch.from_numpy(weights.head_weight.copy()))
        self.head.bias = _parameter(torch.from_numpy(weights.head_bias.copy()))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, float32 (texts, tags), from ids and mask, int64 (texts, tokens)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.to(hidden.dtype)[:, :, None]
        logits: Tensor = self.head((hidden * mask).sum(dim=1) / mask.sum(dim=1))
        return logits


def network_of(bundle: Bundle) -> TaggingNetwork:
    """The network of a bundle, ready to predict."""
    encoder = BertModel(config_of(bundle.manifest.encoder), add_pooling_layer=False)
    encoder.load_state_dict(_state(bundle), strict=True)
    return TaggingNetwork(encoder, bundle).eval()


def config_of(encoder: EncoderConfig) -> BertConfig:
    """The encoder's shape as `transformers` names it."""
    return BertConfig(
        vocab_size=encoder.vocab,
        hidden_size=encoder.hidden,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate,
        max_position_embeddings=encoder.positions,
        type_vocab_size=encoder.segments,
        layer_norm_eps=encoder.norm_epsilon,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _state(bundle: Bundle) -> dict[str, Tensor]:
    weights = bundle.weights
    found = {
        "embeddings.word_embeddings.weight": torch.from_numpy(weights.words.dequantised()),
        "embeddings.position_embeddings.weight": torch.from_numpy(weights.positions.copy()),
        "embeddings.token_type_embeddings.weight": torch.from_numpy(weights.segments.copy()),
        **_norm("embeddings.LayerNorm", weights.embedding_norm),
    }
    for number, layer in enumerate(weights.layers):
        found |= _layer(f"encoder.layer.{number}", layer)
    return found


def _layer(name: str, layer: Layer) -> dict[str, Tensor]:
    return {
        **_linear(f"{name}.attention.self.query", layer.query),
        **_linear(f"{name}.attention.self.key", layer.key),
        **_linear(f"{name}.attention.self.value", layer.value),
        **_linear(f"{name}.attention.output.dense", layer.attention_output),
        **_norm(f"{name}.attention.output.LayerNorm", layer.attention_norm),
        **_linear(f"{name}.intermediate.dense", layer.intermediate),
        **_linear(f"{name}.output.dense", layer.output),
        **_norm(f"{name}.output.LayerNorm", layer.output_norm),
    }


def _linear(name: str, linear: Linear) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.from_numpy(linear.dequantised()),
        f"{name}.bias": torch.from_numpy(linear.bias.copy()),
    }


def _norm(name: str, norm: Norm) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.from_numpy(norm.gain.copy()), f"{name}.bias": torch.from_numpy(norm.bias.copy())}


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
