"""The torch engine: on CUDA if available, else on the CPU."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hangtag.bundle import Bundle
from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.engine import Logits, Means, Vectors
from hangtag.engine.errors import DeviceError, EngineError, OutOfMemory
from hangtag.engine.packed import pack, parts
from hangtag.engine.sub_batches import check_tokens
from hangtag.engine.torch_attention import attention, has_fused_attention
from hangtag.engine.torch_network import Network
from hangtag.engine.torch_wide import TorchWide
from hangtag.text.tokens import Tokens

# Tokens of one forward pass.
_CUDA_TOKENS = 65_536
_CPU_TOKENS = 2_048

_OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


class _Results(NamedTuple):
    """What was computed of texts, in their order; means and vectors are empty unless they were asked for."""

    logits: Logits
    means: Means
    vectors: list[Vectors]


class TorchEngine:
    """Runs on `device` (`cuda`, `cuda:1`, `cpu`, ...; by default CUDA if available). Several threads may call.

    The weights are the bundle's, converted from int8. The texts of a batch are packed, without padding. Matrix products
    run in `dtype` on CUDA, in float32 on the CPU. After an error of CUDA other than lack of memory every call fails:
    what the device computes after that cannot be trusted, so the process has to end.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str | None = None,
        dtype: torch.dtype = torch.bfloat16,
        *,
        is_compiled: bool = False,
    ) -> None:
        self._encoder = bundle.manifest.encoder
        weights = bundle.engine_weights
        self._tags = len(weights.head_bias)
        self._failed = ""
        try:
            self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            self._is_cuda = self._device.type == "cuda"
            self._dtype = dtype if self._is_cuda else torch.float32
            network = Network(weights, self._encoder, self._dtype, is_compiled=is_compiled)
            self._network: Network | None = network.eval().to(self._device)
            self._wide = None if weights.wide is None else TorchWide(weights.wide).to(self._device)
        except torch.OutOfMemoryError as error:
            msg = f"the model does not fit into the memory of {device or 'cuda'}: free some or use another device"
            raise OutOfMemory(msg) from error
        except (RuntimeError, AssertionError) as error:
            msg = f"torch cannot use the device {device or 'cuda'!r}: {error}"
            raise EngineError(msg) from error
        self.cost = CostModel(Padding.NONE, self._encoder.positions, at_once=2 if self._is_cuda else 1)
        self._most = _CUDA_TOKENS if self._is_cuda else _CPU_TOKENS
        kind = "packed" if has_fused_attention(self._device, self._dtype) else "by length"
        self.name = f"torch ({self._device}, {str(self._dtype).removeprefix('torch.')}, {kind})"

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        """See `Engine.forward`."""
        return self._forward(batch).logits

    def forward_with_vectors(self, batch: Sequence[Tokens]) -> tuple[Logits, list[Vectors]]:
        """See `Engine.forward_with_vectors`."""
        found = self._forward(batch, with_vectors=True)
        return found.logits, found.vectors

    def forward_with_means(self, batch: Sequence[Tokens]) -> tuple[Logits, Means]:
        """See `Engine.forward_with_means`."""
        found = self._forward(batch, with_means=True)
        return found.logits, found.means

    def _forward(self, batch: Sequence[Tokens], *, with_vectors: bool = False, with_means: bool = False) -> "_Results":
        check_tokens(batch, self._encoder)
        network = self._network
        if network is None:
            msg = "the engine is closed: open a new one"
            raise EngineError(msg)
        if self._failed:
            msg = f"{self._device} failed before and is not used again, restart the process: {self._failed}"
            raise DeviceError(msg)
        results = _Results(
            np.empty((len(batch), self._tags), np.float32),
            np.empty((len(batch) if with_means else 0, self._encoder.hidden), np.float32),
            [],
        )
        lengths = [len(tokens) for tokens in batch]
        try:
            with torch.inference_mode(), self._on_device():
                # All parts are started before the first result is awaited, so that the device does not wait.
                started = [
                    (part, self._start(network, batch[part], with_vectors=with_vectors, with_means=with_means))
                    for part in parts(lengths, self._most)
                ]
                for part, finish in started:
                    found = finish()
                    results.logits[part] = found.logits
                    if with_means:
                        results.means[part] = found.means
                    results.vectors.extend(found.vectors)
        except RuntimeError as error:
            if isinstance(error, EngineError):
                raise
            raise self._error(error, lengths) from error
        return results

    def close(self) -> None:
        """Free the device's memory; later calls of `forward` raise EngineError."""
        self._network = self._wide = None
        if self._is_cuda and not self._failed:
            torch.cuda.empty_cache()

    def _start(
        self, network: Network, batch: Sequence[Tokens], *, with_vectors: bool, with_means: bool
    ) -> Callable[[], "_Results"]:
        """Start a part of a batch; what is returned waits for its results."""
        packed = pack(batch)
        lengths = np.diff(packed.starts)
        arrays = [packed.ids, packed.segments, packed.positions, packed.starts, lengths]
        entries = 0
        if self._wide is not None:
            ngrams = self._wide.pack([batch[place] for place in packed.order.tolist()])
            arrays += [ngrams.rows, ngrams.values.view(np.int32), ngrams.counts]
            entries = ngrams.entries
        # One transfer for everything, from memory that the device can read by itself.
        whole = torch.from_numpy(np.concatenate(arrays))
        if self._is_cuda:
            whole = whole.pin_memory().to(self._device, non_blocking=True)
        ids, segments, positions, starts, lengths_there, *wide = torch.split(whole, [len(array) for array in arrays])
        hidden = network.hidden(ids, segments, positions, attention(packed, starts, self._dtype))
        means = network.means(hidden, lengths_there)
        logits = network.logits(means)
        if self._wide is not None:
            rows, values, counts = wide
            logits = logits + self._wide(rows, values.view(torch.float32), counts, entries, self._tags)
        done = self._copied(logits)
        means_done = self._copied(means) if with_means else None
        vectors_done = self._copied(hidden) if with_vectors else None

        def finish() -> _Results:
            places = np.argsort(packed.order)
            each = [] if vectors_done is None else np.split(vectors_done(), packed.starts[1:-1])
            return _Results(
                done()[places],
                np.empty((0, self._encoder.hidden), np.float32) if means_done is None else means_done()[places],
                [each[place] for place in places.tolist()] if each else [],
            )

        return finish

    def _on_device(self) -> AbstractContextManager[Any]:
        return torch.cuda.device(self._device) if self._is_cuda else nullcontext()

    def _copied(self, result: Tensor) -> Callable[[], NDArray[np.float32]]:
        if not self._is_cuda:
            return result.numpy
        there = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        there.copy_(result, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call] # not annotated
        event.record()

        def wait() -> NDArray[np.float32]:
            event.synchronize()
            return there.numpy()

        return wait

    def _error(self, error: RuntimeError, lengths: Sequence[int]) -> EngineError:
        if isinstance(error, torch.OutOfMemoryError) or any(each in str(error) for each in _OUT_OF_MEMORY):
            if self._is_cuda:
                torch.cuda.empty_cache()
            msg = f"{len(lengths)} texts of up to {max(lengths)} tokens do not fit into the memory of {self._device}"
            return OutOfMemory(msg)
        msg = f"torch failed on {self._device} on a batch of {len(lengths)} texts: {error}"
        if self._is_cuda:
            self._failed = str(error).partition("\n")[0]
        return DeviceError(msg)
