"""Compare the engines on labelled products: speed as ratios within one run, and what int8 costs.

    python -m benchmarks.engines --bundle runs/starter/bundle --data ../shared/data/marketplace-validation.jsonl.gz

Prints a table and then JSON. The torch engine runs the same int8 weights with float inputs.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from hangtag.bundle import load_bundle
from hangtag.engine import Engine, open_engine
from hangtag.schema import FacetKind, TagSchema
from hangtag.tokens import Tokens
from trainer.examples import Example, examples_of
from trainer.labelled import read_labelled

Array = NDArray[Any]


def speed(engines: dict[str, Engine], batch: Sequence[Tokens], rounds: int) -> dict[str, float]:
    """Best texts/s of each; engines take turns, so that what else the machine does hits all alike."""
    best = dict.fromkeys(engines, 0.0)
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine.forward(batch)
            best[name] = max(best[name], len(batch) / (time.perf_counter() - started))
    return best


def scores(logits: Array, schema: TagSchema) -> Array:
    result = logits.astype(np.float64)
    for facet in schema.facets:
        where = schema.slices[facet.name]
        part = result[:, where]
        if facet.kind is FacetKind.SINGLE:
            powers = np.exp(part - part.max(1, keepdims=True))
            result[:, where] = powers / powers.sum(1, keepdims=True)
        else:
            result[:, where] = 1 / (1 + np.exp(-part))
    return result


def f1(logits: Array, examples: Sequence[Example], schema: TagSchema) -> dict[str, float]:
    result = {}
    for facet in schema.facets:
        where = schema.slices[facet.name]
        rows = [row for row, example in enumerate(examples) if example.known[where].any()]
        if not rows:
            continue
        target, found = np.stack([examples[row].targets[where] for row in rows]), logits[rows, where]
        if facet.kind is FacetKind.SINGLE:
            result[facet.name] = f1_score(target.argmax(1), found.argmax(1), average="weighted", zero_division=0)
        else:
            result[facet.name] = f1_score(target, found > 0, average="micro", zero_division=0)
    return result


def compare(cpu: Array, torch: Array, examples: Sequence[Example], schema: TagSchema) -> dict[str, Any]:
    cosine = (cpu * torch).sum(1) / np.linalg.norm(cpu, axis=1) / np.linalg.norm(torch, axis=1)
    cpu_f1, torch_f1 = f1(cpu, examples, schema), f1(torch, examples, schema)
    agreement = {
        facet.name: float((cpu[:, where].argmax(1) == torch[:, where].argmax(1)).mean())
        for facet in schema.facets
        if facet.kind is FacetKind.SINGLE and (where := schema.slices[facet.name])
    }
    return {
        "cosine_mean": float(cosine.mean()),
        "cosine_worst": float(cosine.min()),
        "same_top_tag": agreement,
        "f1_points_cpu_minus_torch": {name: 100 * (cpu_f1[name] - torch_f1[name]) for name in cpu_f1},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("starter"))
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled JSONL files")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=200, help="texts run alone and in the batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()

    bundle = load_bundle(str(arguments.bundle))
    products = read_labelled(arguments.data)
    order = np.random.default_rng(7).permutation(len(products))[: arguments.texts]
    examples = examples_of([products[place] for place in order], bundle.schema, bundle.tokenizer)
    batch = [example.tokens for example in examples]
    seconds, engines = {}, {}
    for kind in ("cpu", "torch"):
        started = time.perf_counter()
        engines[kind] = open_engine(bundle, kind, arguments.threads)
        seconds[kind] = time.perf_counter() - started
    logits = {name: engine.forward(batch) for name, engine in engines.items()}
    alone = np.random.default_rng(8).permutation(len(batch))[: arguments.alone]
    rates = speed(engines, batch, arguments.rounds)
    result: dict[str, Any] = {
        "texts": len(batch),
        "mean_tokens": float(np.mean([len(tokens) for tokens in batch])),
        "engines": {name: engine.name for name, engine in engines.items()},
        "open_seconds": seconds,
        "texts_per_s": rates,
        "cpu_times_torch": rates["cpu"] / rates["torch"],
        "alone_vs_batch_score": {
            name: float(
                np.abs(
                    scores(np.concatenate([engine.forward([batch[place]]) for place in alone]), bundle.schema)
                    - scores(logits[name][alone], bundle.schema)
                ).max()
            )
            for name, engine in engines.items()
        },
        **compare(logits["cpu"], logits["torch"], examples, bundle.schema),
    }
    for name, value in result.items():
        for part, figure in value.items() if isinstance(value, dict) else [("", value)]:
            print(f"{name:28} {part:10} {figure if isinstance(figure, str) else format(figure, '.5g')}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
