"""Compare the engines on labelled products: speed, as ratios within one run, and the quality lost by int8.

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

from hangtag.bundle import load_bundle
from hangtag.engine import Engine, open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Decoder
from hangtag.text.tokens import Tokens
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.judging.evaluate import evaluate_logits

Array = NDArray[Any]


def speed(engines: dict[str, Engine], batch: Sequence[Tokens], rounds: int) -> dict[str, float]:
    """The best texts/s of each engine, measured in turns so that other load affects all alike."""
    best = dict.fromkeys(engines, 0.0)
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine.forward(batch)
            best[name] = max(best[name], len(batch) / (time.perf_counter() - started))
    return best


def compare(
    taggers: dict[str, Tagger], logits: dict[str, Array], products: Sequence[LabelledProduct]
) -> dict[str, Any]:
    """Compare logits, the predicted tags of single facets (calibrated, along paths), and F1 as in `evaluate`."""
    cpu, torch = logits["cpu"], logits["torch"]
    cosine = (cpu * torch).sum(1) / np.linalg.norm(cpu, axis=1) / np.linalg.norm(torch, axis=1)
    decoder = taggers["cpu"].decoder
    chosen = {name: decoder.chosen(decoder.log_confidences(each)) for name, each in logits.items()}
    same = {facet: chosen["cpu"][facet] == chosen["torch"][facet] for facet in chosen["cpu"]}
    labelled = {facet: np.array([facet in product.facets for product in products]) for facet in same}
    figures = {name: evaluate_logits(taggers[name], products, logits[name]).facets for name in logits}
    return {
        "cosine_mean": float(cosine.mean()),
        "cosine_worst": float(cosine.min()),
        "same_top_tag": {facet: float(each.mean()) for facet, each in same.items()},
        "same_top_tag_labelled": {
            facet: float(each[labelled[facet]].mean()) for facet, each in same.items() if labelled[facet].any()
        },
        **{
            f"{average}_points_cpu_minus_torch": {
                facet: 100 * (getattr(score, average) - getattr(figures["torch"][facet], average))
                for facet, score in figures["cpu"].items()
            }
            for average in ("weighted_f1", "micro_f1", "macro_f1")
        },
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
    products = [products[place] for place in order]
    batch = bundle.tokenizer([product.text for product in products])
    decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
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
                    np.exp(decoder.log_confidences(np.concatenate([engine.forward([batch[place]]) for place in alone])))
                    - np.exp(decoder.log_confidences(logits[name][alone]))
                ).max()
            )
            for name, engine in engines.items()
        },
        **compare({name: Tagger.of(bundle, engine) for name, engine in engines.items()}, logits, products),
    }
    for name, value in result.items():
        for part, figure in value.items() if isinstance(value, dict) else [("", value)]:
            print(f"{name:28} {part:10} {figure if isinstance(figure, str) else format(figure, '.5g')}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
