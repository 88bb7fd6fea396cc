"""The engine alone: texts/s by number format, size of batch and compilation, and how exact it is."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.models import open_model, read_texts
from hangtag.bundle import Bundle
from hangtag.engine.torch import TorchEngine
from hangtag.tags.decoding import Decoder
from hangtag.text.kind import TextKind
from hangtag.text.tokens import Tokens

_VARIANTS: dict[str, dict[str, Any]] = {
    "bf16": {"dtype": torch.bfloat16},
    "bf16 compiled": {"dtype": torch.bfloat16, "is_compiled": True},
    "fp16": {"dtype": torch.float16},
    "fp32": {"dtype": torch.float32},
}
_BUDGETS = (4_096, 16_384, 65_536)


def measure(name: str, data: Path, folder: Path, seconds: float, device: str) -> dict[str, Any]:
    """All figures of one model."""
    bundle = open_model(name, folder)
    tokens = bundle.tokenizer(read_texts(data, 3_000))
    result: dict[str, Any] = {"mean_tokens": float(np.mean([len(each) for each in tokens])), "texts_per_s": {}}
    logits = {}
    for variant, options in _VARIANTS.items():
        started = time.perf_counter()
        try:
            engine = TorchEngine(bundle, device, **options)
            logits[variant] = engine.forward(tokens[:1_000])
        except Exception as error:  # noqa: BLE001 (the other variants are measured all the same)
            result["texts_per_s"][variant] = f"{type(error).__name__}: {str(error)[:300]}"
            continue
        rates: dict[str, float] = {"opened_in_s": time.perf_counter() - started}
        for budget in _BUDGETS if variant == "bf16" else _BUDGETS[1:2]:
            rates[str(budget)] = rate(engine.forward, batches_of(tokens, budget), seconds)
        for count in (1, 8):
            rates[f"ms of {count}"] = 1_000 * median_s(engine.forward, [tokens[at : at + count] for at in range(50)])
        result["texts_per_s"][variant] = rates
        print(name, variant, {key: round(value, 2) for key, value in rates.items()}, flush=True)
        if variant == "bf16":
            result["profile"] = profile(engine, batches_of(tokens, 16_384)[0])
        if variant != "fp32":
            result[f"alone, {variant}"] = alone(engine, bundle, tokens[:200], logits[variant][:200])
        engine.close()
    result["exactness"] = {
        variant: exactness(bundle, found, logits["fp32"], tokens[:1_000])
        for variant, found in logits.items()
        if variant != "fp32" and "fp32" in logits
    }
    return result


def batches_of(tokens: Sequence[Tokens], budget: int) -> list[list[Tokens]]:
    """Batches of at most `budget` tokens, in the order of the texts."""
    batches: list[list[Tokens]] = [[]]
    total = 0
    for each in tokens:
        if total + len(each) > budget:
            batches.append([])
            total = 0
        batches[-1].append(each)
        total += len(each)
    return batches


def rate(forward: Callable[[list[Tokens]], Any], batches: list[list[Tokens]], seconds: float) -> float:
    """Texts/s over at least so many seconds, two batches at a time; the last, incomplete batch is left out."""
    batches = batches[:-1] or batches
    forward(batches[0])
    count = 0
    with ThreadPoolExecutor(2) as threads:
        started = time.perf_counter()
        running = [threads.submit(forward, batches[at % len(batches)]) for at in range(2)]
        at = 2
        while time.perf_counter() - started < seconds:
            running.pop(0).result()
            count += len(batches[(at - 2) % len(batches)])
            running.append(threads.submit(forward, batches[at % len(batches)]))
            at += 1
        took = time.perf_counter() - started
        for each in running:
            each.result()
    return count / took


def median_s(forward: Callable[[list[Tokens]], Any], batches: list[list[Tokens]]) -> float:
    """What a call takes."""
    times = []
    for batch in batches:
        started = time.perf_counter()
        forward(batch)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def scores(bundle: Bundle, logits: Any) -> Any:
    decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
    return np.exp(decoder.log_confidences(logits))


def alone(engine: TorchEngine, bundle: Bundle, tokens: list[Tokens], together: Any) -> dict[str, float]:
    """The largest difference of a score between texts alone, in eights and in one large batch."""
    each = np.concatenate([engine.forward([one]) for one in tokens])
    eights = np.concatenate([engine.forward(tokens[at : at + 8]) for at in range(0, len(tokens), 8)])
    expected = scores(bundle, together)
    return {
        "one": float(np.abs(scores(bundle, each) - expected).max()),
        "eights": float(np.abs(scores(bundle, eights) - expected).max()),
    }


def exactness(bundle: Bundle, found: Any, expected: Any, tokens: list[Tokens]) -> dict[str, float]:
    """How logits, scores and decided tags differ from those in float32."""
    cosine = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
    kinds, named = [TextKind.PRODUCT] * len(found), [each.named for each in tokens]
    tags = [
        [{tag.tag for tag in each.tags} for each in decoder.decode(logits, kinds, named)]
        for logits in (found, expected)
    ]
    return {
        "cosine_worst": float(cosine.min()),
        "score_difference": float(np.abs(scores(bundle, found) - scores(bundle, expected)).max()),
        "same_tags": float(np.mean([one == other for one, other in zip(*tags, strict=True)])),
    }


def profile(engine: TorchEngine, batch: list[Tokens]) -> str:
    """The kernels that take longest in one batch."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as found:
        engine.forward(batch)
    return found.key_averages().table(sort_by="self_device_time_total", row_limit=18, max_name_column_width=60)
