"""The CPU engine: OpenVINO, int8 weights, int8 inputs with fixed ranges."""

from collections import deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import openvino as ov

from hangtag.bundle import Bundle
from hangtag.engine.cpu_graph import cpu_graph
from hangtag.engine.engine import Logits
from hangtag.engine.errors import EngineError
from hangtag.engine.sub_batches import bucket, check_tokens, sub_batches
from hangtag.tokens import Tokens, pad

# Padded tokens of one inference: small enough for the second-level cache, large enough to fill the matrix units.
_TOKENS = 1024


class CpuEngine:
    """Runs on the processor, without torch.

    `threads` bounds the cores in use (all by default); `streams` is how many sub-batches run at a time, one core each by
    default: that is faster than several cores on one. Any thread may call `forward`.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, streams: int | None = None, **extra: Any) -> None:
        self._encoder = bundle.manifest.encoder
        self._tags = len(bundle.schema.tags)
        core = ov.Core()
        wanted: dict[str, Any] = {
            # Left to itself the plugin falls back to bfloat16 where the processor has it: slower without AMX, less exact.
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": streams or threads or core.get_property("CPU", "RANGE_FOR_STREAMS")[1],
        }
        if threads:
            wanted["INFERENCE_NUM_THREADS"] = threads
        wanted |= extra
        self._compiled = core.compile_model(cpu_graph(bundle.weights, self._encoder), "CPU", wanted)
        self._streams = int(self._compiled.get_property("NUM_STREAMS"))
        self._free: SimpleQueue[ov.InferRequest] = SimpleQueue()
        for _ in range(self._streams):
            self._free.put(self._compiled.create_infer_request())
        self.name = f"cpu-int8 ({self._streams} streams)"

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        check_tokens(batch, self._encoder)
        logits = np.empty((len(batch), self._tags), np.float32)
        running: deque[tuple[ov.InferRequest, list[int]]] = deque()
        lengths = [bucket(len(tokens), self._encoder.positions) for tokens in batch]
        for group in sub_batches(lengths, _TOKENS, self._streams):
            try:
                request = self._free.get_nowait()
            except Empty:
                request = self._finish(running, logits) if running else self._free.get()
            ids, mask, segments = pad([batch[i] for i in group], lengths[group[0]])
            request.start_async([ids, mask, segments])
            running.append((request, group))
        while running:
            self._free.put(self._finish(running, logits))
        return logits

    def _finish(self, running, logits):
        request, group = running.popleft()
        request.wait()
        logits[group] = request.get_output_tensor(0).data
        return request

    def close(self) -> None:
        pass
