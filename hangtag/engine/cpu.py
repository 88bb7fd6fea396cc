"""The CPU engine: OpenVINO, int8 weights, int8 inputs with fixed ranges."""

import os
import platform
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import openvino as ov

from hangtag.bundle import Bundle
from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.cpu_graph import cpu_graph
from hangtag.engine.engine import Logits, Means, Precision, Vectors
from hangtag.engine.errors import DeviceError, EngineError
from hangtag.engine.sub_batches import check_tokens, sub_batches
from hangtag.engine.wide_scores import wide_scores
from hangtag.text.tokens import Tokens, pad

# Padded tokens of one inference: few enough for the second-level cache, enough to keep the matrix units busy.
_TOKENS = 1024
# What OpenVINO keeps of shapes that it has met. By default it keeps 5,000, which a worker fills over hours: more than
# 220 MB above this, and not faster.
_KEPT_SHAPES = 64
# What oneDNN, which OpenVINO computes with, keeps of matrix products: code for each number of rows that it has met. By
# default it keeps 1,024, which is hundreds of MB. It reads the variable when a process compiles its first model.
_KEPT_PRODUCTS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

# Texts of up to that many tokens are short.
_SHORT_TOKENS = 32
# A second model for short texts keeps fewer shapes: there are four lengths.
_KEPT_SHORT_SHAPES = 16

# Free inference requests. A None among them means that the engine is closed.
_Free = SimpleQueue[Any]
# Where a request belongs, the request, and the places of its texts.
_Running = deque[tuple[_Free, Any, list[int]]]


class CpuEngine:
    """Runs on the CPU, without torch. Several threads may call at the same time.

    `threads` limits the cores in use, all by default. `streams` is the number of sub-batches that run at the same time,
    by default one per core, which is faster than several cores on one sub-batch. `forward_with_vectors` needs
    `vectors`, which makes the engine 1 to 5 % slower. With the `precision` fast, what is not computed in int8 is
    computed in bfloat16, where the CPU can.

    With `short_lane` a batch of short texts never waits for a batch of others. Where there are several streams, one is
    kept for short texts. OpenVINO runs one stream on one core, so there a second model is compiled, which takes some
    30 MB, and the system shares the core between both.

    Padding depends only on the text's own length, and a sub-batch has one padded length. So the arithmetic of a text is
    the same in every batch, to the bit. That matters because int8 inputs are rounded: where a sum that differs in its
    last bit is rounded the other way, scores change by a hundredth.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        streams: int | None = None,
        vectors: bool = False,
        precision: Precision = "exact",
        short_lane: bool = False,
    ) -> None:
        self._encoder = bundle.manifest.encoder
        weights = bundle.engine_weights
        self._tags = len(weights.head_bias)
        self._has_vectors = vectors
        self.cost = CostModel(Padding.BUCKET, self._encoder.positions)
        self._wide = weights.wide
        int8 = _sums_int8_exactly()
        # OpenVINO gives the thread that compiles a model a signal stack, and restores the older one when the model is
        # freed. Two engines that are closed in the order of opening would leave the thread with a freed stack, and the
        # next signal would end the process. So a model is compiled in a thread that ends at once.
        with ThreadPoolExecutor(1, "open-engine") as thread:
            try:
                graph = cpu_graph(weights, self._encoder, int8, vectors)
                compiled = thread.submit(_compiled, graph, threads, streams, precision).result()
                requests = [compiled.create_infer_request() for _ in range(int(compiled.get_property("NUM_STREAMS")))]
                short = requests[1:2] if short_lane else []
                if short_lane and not short:
                    other = thread.submit(_compiled, graph, 1, 1, precision, _KEPT_SHORT_SHAPES).result()
                    short = [other.create_infer_request()]
            except RuntimeError as error:
                msg = f"OpenVINO cannot run the model here: {error}"
                raise EngineError(msg) from error
        self._streams = len(requests)
        self._free: _Free = SimpleQueue()
        self._free_short: _Free = SimpleQueue()
        for request in requests:
            if request not in short:
                self._free.put(request)
        for request in short:
            self._free_short.put(request)
        self._has_short_lane = short_lane
        # Those that a batch of other texts can use.
        self._ways = self._free.qsize()
        numbers = "int8" if int8 else "int8 weights"
        if compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.bf16:
            numbers += " and bfloat16"
        self.name = f"cpu ({numbers}, {self._streams} streams)"

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        """See `Engine.forward`."""
        return self._forward(batch)

    def forward_with_vectors(self, batch: Sequence[Tokens]) -> tuple[Logits, list[Vectors]]:
        """See `Engine.forward_with_vectors`."""
        if not self._has_vectors:
            msg = "the engine was opened without vectors: open it with vectors=True"
            raise EngineError(msg)
        vectors = [np.empty((len(tokens), self._encoder.hidden), np.float32) for tokens in batch]
        return self._forward(batch, vectors), vectors

    def forward_with_means(self, batch: Sequence[Tokens]) -> tuple[Logits, Means]:
        """See `Engine.forward_with_means`."""
        means = np.empty((len(batch), self._encoder.hidden), np.float32)
        return self._forward(batch, means=means), means

    def _forward(
        self, batch: Sequence[Tokens], vectors: list[Vectors] | None = None, means: Means | None = None
    ) -> Logits:
        check_tokens(batch, self._encoder)
        lengths = [self.cost.of_text(len(tokens)) for tokens in batch]
        logits = np.empty((len(batch), self._tags), np.float32)
        results = _Results(logits, vectors, means)
        running: _Running = deque()
        is_short = self._has_short_lane and max(lengths, default=0) <= _SHORT_TOKENS
        try:
            for group in sub_batches(lengths, _TOKENS, self._streams if is_short else self._ways):
                free, request = self._request(running, results, is_short=is_short)
                running.append((free, request, group))
                request.start_async(list(pad([batch[index] for index in group], lengths[group[0]])))
            # While the last groups run.
            wide = wide_scores(batch, self._wide, self._tags)
            while running:
                free, request = _finish(running, results)
                free.put(request)
        except RuntimeError as error:
            msg = f"OpenVINO failed on a batch of {len(batch)} texts: {error}"
            raise error if isinstance(error, EngineError) else DeviceError(msg) from error
        finally:
            for free, request, _ in running:  # not empty only after an error
                request.cancel()
                # Until it has ended, the next use of the request would be cancelled too.
                with suppress(RuntimeError):
                    request.wait()
                free.put(request)
        return logits if wide is None else logits + wide

    def close(self) -> None:
        """Wait for running inferences, then free the memory; later calls of `forward` raise EngineError."""
        for free, count in ((self._free, self._ways), (self._free_short, int(self._has_short_lane))):
            for _ in range(count):
                if free.get() is None:
                    break
            free.put(None)

    def _request(self, running: _Running, results: "_Results", *, is_short: bool) -> tuple[_Free, Any]:
        own = self._free_short if is_short else self._free
        for free in (own, self._free):
            with suppress(Empty):
                return free, self._opened(free, free.get_nowait())
        # A call with requests in flight takes the oldest of these and never waits for those of another thread.
        if running:
            return _finish(running, results)
        return own, self._opened(own, own.get())

    def _opened(self, free: _Free, request: Any) -> Any:
        if request is None:
            free.put(None)
            msg = "the engine is closed: open a new one"
            raise EngineError(msg)
        return request


def _compiled(
    graph: ov.Model,
    threads: int | None,
    streams: int | None,
    precision: Precision,
    kept_shapes: int = _KEPT_SHAPES,
) -> Any:
    os.environ.setdefault(*_KEPT_PRODUCTS)
    core = ov.Core()
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "fast" else "f32",
        # A layer that stays in float must not use scales that are measured on the batch.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        # With pinning the engines of two processes would share one core and leave another idle.
        "ENABLE_CPU_PINNING": False,
        "CPU_RUNTIME_CACHE_CAPACITY": kept_shapes,
        "NUM_STREAMS": streams or threads or int(core.get_property("CPU", "RANGE_FOR_STREAMS")[1]),
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return core.compile_model(graph, "CPU", settings)


class _Results(NamedTuple):
    """Where the results of a batch go, in its order."""

    logits: Logits
    vectors: list[Vectors] | None
    means: Means | None


def _finish(running: _Running, results: _Results) -> tuple[_Free, Any]:
    free, request, group = running[0]
    request.wait()
    results.logits[group] = request.get_output_tensor(0).data
    if results.means is not None:
        results.means[group] = request.get_output_tensor(1).data
    if results.vectors is not None:
        for index, padded in zip(group, request.get_output_tensor(2).data, strict=True):
            vector = results.vectors[index]
            vector[:] = padded[: len(vector)]
    running.popleft()
    return free, request


def _sums_int8_exactly() -> bool:
    """False on x86 CPUs without VNNI: they add int8 products in 16 bits, which overflow."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # not Linux: current machines have it
    return "vnni" in flags
