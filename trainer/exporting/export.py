"""Export of a fine-tuned model as a bundle's int8 weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hangtag.bundle import EncoderConfig, Layer, Norm, Scope, Weights
from hangtag.text.tokens import ProductTokenizer, Tokens
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.exporting.activations import Inputs, linear_inputs
from hangtag.trainer.exporting.quantize import quantised_linears, quantised_table
from hangtag.trainer.fitting.model import TagModel


class ExportError(TrainerError):
    """The model cannot be exported; the message says why."""


def encoder_config_of(config: Mapping[str, Any], tokenizer: ProductTokenizer) -> EncoderConfig:
    """Read a BERT `config.json`.

    Raises:
        ExportError: the encoder has a setting that the engines do not support.
    """
    supported = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    for key, value in supported.items():
        if config.get(key, value) != value:
            msg = f"the encoder has {key} {config[key]!r}; the engines support only {value!r}"
            raise ExportError(msg)
    return EncoderConfig(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        intermediate=config["intermediate_size"],
        vocab=config["vocab_size"],
        positions=config["max_position_embeddings"],
        segments=config["type_vocab_size"],
        norm_epsilon=config["layer_norm_eps"],
        max_tokens=tokenizer.max_tokens,
        tail_tokens=tokenizer.tail_tokens,
    )


def export(
    model: TagModel, tokenizer: ProductTokenizer, encoder_config: Mapping[str, Any], calibration: Sequence[Tokens]
) -> tuple[EncoderConfig, Weights, Scope | None]:
    """Quantise a model; `calibration` are some hundred tokenised training texts that determine the input ranges.

    Returns the encoder's configuration, the weights and the scope's row, if there is one, for `write_bundle`. The model
    is not changed.

    Raises:
        ExportError: the encoder has a setting that the engines do not support, or there are no calibration texts.
    """
    if not calibration:
        msg = "export needs calibration texts: pass some hundred tokenised training texts"
        raise ExportError(msg)
    config = encoder_config_of(encoder_config, tokenizer)
    inputs = linear_inputs(model, calibration)
    embeddings: Any = model.encoder.embeddings
    layers: Any = model.encoder.encoder.layer
    weights = Weights(
        words=quantised_table(_array(embeddings.word_embeddings.weight)),
        positions=_array(embeddings.position_embeddings.weight),
        segments=_array(embeddings.token_type_embeddings.weight),
        embedding_norm=_norm(embeddings.LayerNorm),
        layers=tuple(_layer(layer, its_inputs) for layer, its_inputs in zip(layers, inputs, strict=True)),
        head_weight=_array(model.head.weight)[: model.tags],
        head_bias=_array(model.head.bias)[: model.tags],
    )
    if not model.has_scope:
        return config, weights, None
    row, bias = _array(model.head.weight)[-1].tolist(), float(_array(model.head.bias)[-1])
    return config, weights, Scope(weight=tuple(row), bias=bias)


def _layer(layer: Any, inputs: Inputs) -> Layer:
    attention = layer.attention.self
    query, key, value = quantised_linears(
        [_pair(attention.query), _pair(attention.key), _pair(attention.value)], inputs.hidden
    )
    (attention_output,) = quantised_linears([_pair(layer.attention.output.dense)], inputs.mixed)
    (intermediate,) = quantised_linears([_pair(layer.intermediate.dense)], inputs.attended)
    (output,) = quantised_linears([_pair(layer.output.dense)], inputs.wide)
    return Layer(
        query=query,
        key=key,
        value=value,
        attention_output=attention_output,
        attention_norm=_norm(layer.attention.output.LayerNorm),
        intermediate=intermediate,
        output=output,
        output_norm=_norm(layer.output.LayerNorm),
    )


def _pair(linear: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return _array(linear.weight), _array(linear.bias)


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(_array(norm.weight), _array(norm.bias))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).numpy().copy()
