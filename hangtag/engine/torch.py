"""The torch engine: on CUDA if available, else on the CPU."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from hangtag.bundle import Bundle, EncoderConfig, Linear, Norm, Weights
from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.engine import Logits, Vectors
from hangtag.engine.errors import DeviceError, EngineError, OutOfMemory
from hangtag.engine.sub_batches import check_tokens, sub_batches
from hangtag.engine.wide_scores import add_wide_scores
from hangtag.text.tokens import Tokens, pad

# Padded tokens of one forward pass.
_CUDA_TOKENS = 65_536
_CPU_TOKENS = 2_048

_HEAD_ROWS = 64


class TorchEngine:
    """Runs on `device` (`cuda`, `cuda:1`, `cpu`, ...; by default CUDA if available). Several threads may call.

    The weights are the bundle's, converted from int8. Matrix products run in `dtype` on CUDA, in float32 on the CPU.
    """

    def __init__(self, bundle: Bundle, device: str | None = None, dtype: torch.dtype = torch.bfloat16) -> None:
        self._encoder = bundle.manifest.encoder
        self._tags = len(bundle.schema.tags)
        self.cost = CostModel(Padding.BUCKET, self._encoder.positions)
        self._wide = bundle.weights.wide
        try:
            self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            self._model: nn.Module | None = _Tagger(bundle.weights, self._encoder).eval().to(self._device)
        except torch.OutOfMemoryError as error:
            msg = f"the model does not fit into the memory of {device or 'cuda'}: free some or use another device"
            raise OutOfMemory(msg) from error
        except (RuntimeError, AssertionError) as error:
            msg = f"torch cannot use the device {device or 'cuda'!r}: {error}"
            raise EngineError(msg) from error
        self._dtype = dtype if self._device.type == "cuda" else torch.float32
        self._budget = _CUDA_TOKENS if self._device.type == "cuda" else _CPU_TOKENS
        self.name = f"torch ({self._device}, {str(self._dtype).removeprefix('torch.')})"

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        """See `Engine.forward`."""
        return self._forward(batch, None)

    def forward_with_vectors(self, batch: Sequence[Tokens]) -> tuple[Logits, list[Vectors]]:
        """See `Engine.forward_with_vectors`."""
        vectors = [np.empty((len(tokens), self._encoder.hidden), np.float32) for tokens in batch]
        return self._forward(batch, vectors), vectors

    def _forward(self, batch: Sequence[Tokens], vectors: list[Vectors] | None) -> Logits:
        check_tokens(batch, self._encoder)
        model = self._model
        if model is None:
            msg = "the engine is closed: open a new one"
            raise EngineError(msg)
        lengths = [self.cost.of_text(len(tokens)) for tokens in batch]
        logits = np.empty((len(batch), self._tags), np.float32)
        try:
            # Results are copied back last, so that the device has the next group while it works on one.
            groups = sub_batches(lengths, self._budget)
            # Vectors that nobody reads are not kept on the device.
            wanted = 1 if vectors is None else 2
            results = [
                self._run(model, [batch[index] for index in group], lengths[group[0]])[:wanted] for group in groups
            ]
            for group, result in zip(groups, results, strict=True):
                logits[group] = result[0].cpu().numpy()
                if vectors is not None:
                    for index, padded in zip(group, result[1].float().cpu().numpy(), strict=True):
                        vectors[index][:] = padded[: len(vectors[index])]
        except torch.OutOfMemoryError as error:
            msg = f"{len(batch)} texts of up to {max(lengths)} tokens do not fit into the memory of {self._device}"
            raise OutOfMemory(msg) from error
        except RuntimeError as error:
            msg = f"torch failed on {self._device} on a batch of {len(batch)} texts: {error}"
            raise DeviceError(msg) from error
        return add_wide_scores(logits, batch, self._wide)

    def close(self) -> None:
        """Free the device's memory; later calls of `forward` raise EngineError."""
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _run(self, model: nn.Module, batch: list[Tokens], length: int) -> tuple[Tensor, Tensor]:
        arrays = (torch.from_numpy(array).to(self._device, non_blocking=True) for array in pad(batch, length))
        mixed = self._dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, enabled=mixed):
            logits, vectors = model(*arrays)
        return logits, vectors


class _Tagger(nn.Module):
    """BERT, mean pooling over a text's tokens, and a linear head."""

    def __init__(self, weights: Weights, encoder: EncoderConfig) -> None:
        super().__init__()
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
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.encoder.load_state_dict(_state(weights), strict=True)
        # The head has complete blocks of rows: in an incomplete block sums are computed in another order, so that a
        # tag's score would change in its last bit when tags are added.
        self._tags = len(weights.head_bias)
        rows = -self._tags % _HEAD_ROWS
        self.head = nn.Linear(encoder.hidden, self._tags + rows)
        padded = np.pad(weights.head_weight, ((0, rows), (0, 0))), np.pad(weights.head_bias, (0, rows))
        self.head.load_state_dict(_tensors("", *padded))

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, float32 (count, tags), and the tokens' vectors, from ids, mask and segments (count, length)."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        real = mask.unsqueeze(-1).float()
        pooled = (hidden.float() * real).sum(1) / real.sum(1)
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.head(pooled)[:, : self._tags]
        return logits, hidden


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
    return _tensors(name, linear.dequantised(), linear.bias)


def _norm(name: str, norm: Norm) -> dict[str, Tensor]:
    return _tensors(name, norm.gain, norm.bias)


def _tensors(name: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> dict[str, Tensor]:
    return {f"{name}weight": torch.from_numpy(weight), f"{name}bias": torch.from_numpy(bias)}
