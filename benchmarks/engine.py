"""How fast the CPU engine is, beside the pipeline of transformers and what the processor can do.

    make bench-engine                  # QUICK=1: within 50 s
    python -m benchmarks.engine --data ../shared/data/marketplace-validation.jsonl.gz

Every round runs all variants on the same texts, one after the other, so that other load affects all alike; ratios are
medians of the rounds. The pipeline runs in float32, in batches of 32 and one by one, and the better of both counts. An
engine gets tokenised texts and returns scores with the wide part added; `text to tags` is everything else too. The
ceiling is how many int8 operations a second torch reaches with a matrix product. No encoder is skipped. Writes
benchmarks/results/engine.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, write_results
from benchmarks.machine import machine
from benchmarks.main_job import FEED
from benchmarks.pipeline import int8_operations, reference
from hangtag.bundle import EncoderConfig, load_bundle
from hangtag.cli.feed_lines import event_of, open_feed
from hangtag.engine import Precision, open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens

PRECISIONS: tuple[Precision, ...] = ("exact", "fast")
_BATCH = 32
# One by one takes long, and a part of the texts shows it.
_ALONE = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--data", type=Path, default=FEED, help="JSONL of products, also as .gz")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="within 50 s: 128 texts, 4 rounds")
    add_results(parser, "engine")
    options = parser.parse_args()
    if options.quick:
        options.texts, options.rounds = 128, 4
    texts = some_texts(options.data, options.texts)
    result = measured(options.bundle, texts, options.rounds)
    write_results(result, options.results)
    report(result)


def some_texts(data: Path, count: int) -> list[ProductText]:
    """The same texts in every run, drawn from the whole file and repeated if it has fewer."""
    with open_feed(str(data)) as lines:
        products = [event_of(line, 1).product for line in lines if line.strip()]
    found = [ProductText.of(each.title, each.description, each.merchant_category) for each in products]
    found = [text for text in found if not text.is_empty]
    order = np.random.default_rng(7).permutation(len(found))
    return [found[order[place % len(found)]] for place in range(count)]


def measured(bundle_name: str, texts: list[ProductText], rounds: int) -> dict[str, Any]:
    """Rates of all variants, and their ratios."""
    bundle = load_bundle(bundle_name)
    with ExitStack() as open_engines:
        engines = {
            each: open_engines.enter_context(closing(open_engine(bundle, "cpu", precision=each))) for each in PRECISIONS
        }
        taggers = {precision: Tagger.of(bundle, engine) for precision, engine in engines.items()}
        tokens = taggers["exact"].encode(texts)
        pipeline, ceiling = reference(bundle), int8_operations()
        variants: dict[str, tuple[Callable[[], Any], float]] = {
            "pipeline, batches of 32": (lambda: pipeline(texts, _BATCH), len(texts)),
            "pipeline, one by one": (lambda: pipeline(texts[::_ALONE], 1), len(texts[::_ALONE])),
            **{f"engine, {each}": (lambda e=engine: e.forward(tokens), len(texts)) for each, engine in engines.items()},
            **{
                f"text to tags, {each}": (lambda t=tagger: text_to_tags(t, texts), len(texts))
                for each, tagger in taggers.items()
            },
            "int8 products": (ceiling, ceiling()),
        }
        rates, of_core = rates_of(variants, rounds)
    return {
        "machine": machine(),
        "texts": len(texts),
        "mean_tokens": float(np.mean([len(each) for each in tokens])),
        "rounds": rounds,
        **ratios(rates, operations(tokens, bundle.manifest.encoder) / len(texts)),
        "skipped": 0.0,
        "ratio_to_pipeline_with_skipping": None,
        "per_s": {name: statistics.median(each) for name, each in rates.items()},
        "per_core_s": {name: statistics.median(each) for name, each in of_core.items()},
    }


def text_to_tags(tagger: Tagger, texts: list[ProductText]) -> None:
    """Everything that a worker does with texts."""
    tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))


def rates_of(
    variants: dict[str, tuple[Callable[[], Any], float]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The rate of each variant in each round by the clock, and by processor time, after a round that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in variants}
    of_core: dict[str, list[float]] = {name: [] for name in variants}
    for counts in range(rounds + 1):
        for name, (run, amount) in variants.items():
            started, cpu = time.perf_counter(), time.process_time()
            run()
            if counts:
                rates[name].append(amount / (time.perf_counter() - started))
                of_core[name].append(amount / (time.process_time() - cpu))
    return rates, of_core


def ratios(rates: dict[str, list[float]], operations_of_text: float) -> dict[str, Any]:
    """Medians of the ratios within each round."""
    best = [max(pair) for pair in zip(rates["pipeline, batches of 32"], rates["pipeline, one by one"], strict=True)]

    def over(name: str, others: list[float], factor: float = 1) -> float:
        return statistics.median(rate * factor / other for rate, other in zip(rates[name], others, strict=True))

    return {
        "ratio_to_pipeline": {each: over(f"engine, {each}", best) for each in PRECISIONS},
        "text_to_tags_to_pipeline": {each: over(f"text to tags, {each}", best) for each in PRECISIONS},
        "share_of_ceiling": {
            each: over(f"engine, {each}", rates["int8 products"], operations_of_text) for each in PRECISIONS
        },
    }


def operations(tokens: list[Tokens], encoder: EncoderConfig) -> float:
    """Operations of the encoder's matrix products with weights, for the real tokens."""
    of_token = 2 * encoder.layers * (4 * encoder.hidden**2 + 2 * encoder.hidden * encoder.intermediate)
    return float(of_token * sum(map(len, tokens)))


def report(result: dict[str, Any]) -> None:
    table = Table("what", "a second", "a second of a core")
    for name in result["per_s"]:
        rates = (result[each][name] for each in ("per_s", "per_core_s"))
        table.add_row(
            name, *(f"{rate / 1e9:,.0f} GOP" if name == "int8 products" else f"{rate:,.0f} texts" for rate in rates)
        )
    console = Console(stderr=True)
    console.print(table)
    for name in ("ratio_to_pipeline", "text_to_tags_to_pipeline", "share_of_ceiling"):
        console.print(name, " ".join(f"{each} {value:.2f}" for each, value in result[name].items()))


if __name__ == "__main__":
    main()
