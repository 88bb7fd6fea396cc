"""Texts to tags: tokenising in processes of their own, engine and decoding, all at the same time."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.gpu.models import open_model, read_texts
from hangtag.engine.torch import TorchEngine
from hangtag.settings import WorkerSettings
from hangtag.tagger.bulk import BulkTagger
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind

_SETTINGS = {
    "16384 tokens": WorkerSettings(),
    "32768 tokens": WorkerSettings(token_budget=32_768, window=8_192),
}


def measure(name: str, data: Path, folder: Path, count: int, device: str, encoders: list[int]) -> dict[str, Any]:
    """Texts/s of the complete way, for numbers of processes that tokenise, and of each step alone."""
    bundle = open_model(name, folder)
    texts = read_texts(data, count)
    result: dict[str, Any] = {"texts": count, "cores": os.cpu_count(), "texts_per_s": {}}
    plain = Tagger.of(bundle, TorchEngine(bundle, device))
    some = texts[:1_000]
    tokens, result["encode_us"] = timed(lambda: plain.encode(some), len(some))
    plain.forward(tokens)
    logits, result["forward_us"] = timed(lambda: plain.forward(tokens), len(some))
    _, result["decode_us"] = timed(lambda: plain.decode(logits, [TextKind.PRODUCT] * len(some)), len(some))
    print(name, {key: round(value) for key, value in result.items() if key.endswith("_us")}, flush=True)
    for number in encoders:
        with ExitStack() as stack:
            started = time.perf_counter()
            tagger = plain.with_encoders(number) if number else plain
            if tagger.encoders is not None:
                stack.enter_context(tagger.encoders)
            opened = time.perf_counter() - started
            for what, limits in _SETTINGS.items():
                list(BulkTagger(tagger, limits)(enumerate(texts[:2_000])))
                started, cpu = time.perf_counter(), time.process_time()
                for _ in BulkTagger(tagger, limits)(enumerate(texts)):
                    pass
                took, cpu = time.perf_counter() - started, time.process_time() - cpu
                rate = {"texts_per_s": count / took, "this_process_us": cpu / count * 1e6, "opened_in_s": opened}
                result["texts_per_s"][f"{number} processes, {what}"] = rate
                print(name, number, what, {key: round(value, 1) for key, value in rate.items()}, flush=True)
    plain.engine.close()
    return result


def timed(call: Any, texts: int) -> tuple[Any, float]:
    """The result, and the microseconds that the call took for each text."""
    started = time.perf_counter()
    found = call()
    return found, (time.perf_counter() - started) / texts * 1e6
