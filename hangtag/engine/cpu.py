"""The CPU engine: OpenVINO, int8 weights, int8 inputs with fixed ranges."""

import platform
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import openvino as ov

from hangtag.bundle import Bundle
from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.cpu_graph import cpu_graph
from hangtag.engine.engine import Logits
from hangtag.engine.errors import EngineError
from hangtag.engine.sub_batches import check_tokens, sub_batches
from hangtag.engine.wide_scores import add_wide_scores
from hangtag.text.tokens import Tokens, pad

# Padded tokens of one inference: small enough for the second-level cache, large enough to fill the matrix units.
_TOKENS = 1024

_Running = deque[tuple[Any, list[int]]]


class CpuEngine:
    """Runs on the processor, without torch. Any thread may call, several may at a time.

    `threads` bounds the cores in use, all by default. `streams` is how many sub-batches run at a time, by default one a
    core: faster than several cores on one sub-batch.

    A text is padded to a length that hangs on its own length alone and stands only beside texts of that length. So its
    arithmetic is the same in every batch, to the bit. That matters: int8 inputs are rounded, and where a sum that
    differs in its last bit is rounded the other way, scores move by a hundredth.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, streams: int | None = None) -> None:
        self._encoder = bundle.manifest.encoder
        self._tags = len(bundle.schema.tags)
        self.cost = CostModel(Padding.BUCKET, self._encoder.positions)
        self._wide = bundle.weights.wide
        int8 = _sums_int8_exactly()
        # OpenVINO gives the thread that sets it up a signal stack, and takes the older one back when a model goes. Two
        # engines that close in the order they opened would leave a thread with one that is freed: the next signal would
        # end the process. So a thread sets it up that ends at once.
        with ThreadPoolExecutor(1, "open-engine") as thread:
            try:
                requests = thread.submit(_requests, bundle, int8, threads, streams).result()
            except RuntimeError as error:
                msg = f"OpenVINO cannot run the model here: {error}"
                raise EngineError(msg) from error
        self._streams = len(requests)
        # None among the free requests says that the engine is closed.
        self._free: SimpleQueue[Any] = SimpleQueue()
        for request in requests:
            self._free.put(request)
        self.name = f"cpu ({'int8' if int8 else 'int8 weights'}, {self._streams} streams)"

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        """See `Engine.forward`."""
        check_tokens(batch, self._encoder)
        lengths = [self.cost.of_text(len(tokens)) for tokens in batch]
        logits = np.empty((len(batch), self._tags), np.float32)
        running: _Running = deque()
        try:
            for group in sub_batches(lengths, _TOKENS, self._streams):
                request = self._request(running, logits)
                running.append((request, group))
                request.start_async(list(pad([batch[index] for index in group], lengths[group[0]])))
            while running:
                self._free.put(_finish(running, logits))
        except RuntimeError as error:
            msg = f"OpenVINO failed on a batch of {len(batch)} texts: {error}"
            raise error if isinstance(error, EngineError) else EngineError(msg) from error
        finally:
            for request, _ in running:  # only after an error
                request.cancel()
                self._free.put(request)
        return add_wide_scores(logits, batch, self._wide)

    def close(self) -> None:
        """Wait for the inferences that run, then give the memory back; later calls of `forward` raise EngineError."""
        for _ in range(self._streams):
            if self._free.get() is None:
                break
        self._free.put(None)

    def _request(self, running: _Running, logits: Logits) -> Any:
        # Who has requests in flight takes back the oldest of these and never waits for those of another thread.
        try:
            request = self._free.get_nowait()
        except Empty:
            request = _finish(running, logits) if running else self._free.get()
        if request is None:
            self._free.put(None)
            msg = "the engine is closed: open another"
            raise EngineError(msg)
        return request


def _requests(bundle: Bundle, int8: bool, threads: int | None, streams: int | None) -> list[Any]:
    """Compile the model; one request for each stream."""
    core = ov.Core()
    settings: dict[str, Any] = {
        # Left to itself the plugin takes bfloat16 where the processor has it: without AMX slower, and less exact.
        "INFERENCE_PRECISION_HINT": "f32",
        # Weights of a layer that stays in float must not bring back scales taken from the inputs.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        # Pinned, the engines of two processes would share one core and leave another idle.
        "ENABLE_CPU_PINNING": False,
        "NUM_STREAMS": streams or threads or int(core.get_property("CPU", "RANGE_FOR_STREAMS")[1]),
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(cpu_graph(bundle.weights, bundle.manifest.encoder, int8), "CPU", settings)
    return [compiled.create_infer_request() for _ in range(int(compiled.get_property("NUM_STREAMS")))]


def _finish(running: _Running, logits: Logits) -> Any:
    request, group = running[0]
    request.wait()
    logits[group] = request.get_output_tensor(0).data
    running.popleft()
    return request


def _sums_int8_exactly() -> bool:
    """False on x86 processors without VNNI: they add int8 products in 16 bits, which overflow."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # no Linux: such machines of today have it
    return "vnni" in flags
