"""The share of deliberately wrong labels that `hangtag data noise` finds.

    python -m benchmarks.label_noise ../shared/data/fashion-train.jsonl.gz

In each facet, a tenth of the labels are replaced by another tag of it, drawn uniformly from those with enough examples;
in a multi facet a tenth of the products get one tag replaced, which makes two labels wrong. Labels that were wrong in
the files before count as right, so the true precision is higher than the reported one. Prints a table, then JSON.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.judging.label_noise import LabelNoise, Suspicion, find_label_noise

Wrong = set[tuple[int, str]]


def spoiled(
    products: Sequence[LabelledProduct], facet: str, share: float, min_examples: int, rng: random.Random
) -> tuple[list[LabelledProduct], Wrong]:
    """The products with a share of the facet's labels replaced, and the (place, tag) pairs that are wrong now."""
    counts = Counter(tag for product in products for tag in product.tags_of(facet))
    tags = sorted(tag for tag, count in counts.items() if count >= min_examples)
    result, wrong = list(products), set()
    fitting = [place for place, product in enumerate(products) if product.tags_of(facet) & set(tags)]
    for place in rng.sample(fitting, round(share * len(fitting))):
        product = products[place]
        others = [tag for tag in tags if tag not in product.tags]
        if others:
            old, new = rng.choice(sorted(product.tags_of(facet) & set(tags))), rng.choice(others)
            result[place] = replace(product, tags=product.tags - {old} | {new})
            wrong |= {(place, old), (place, new)}
    return result, wrong


def figures(noise: LabelNoise, wrong: Wrong, *, is_single: bool) -> dict[str, Any]:
    """Recall and precision of the suspicions, and the recall at a precision of 0.7."""
    hits = [_place_and_tag(each) in wrong for each in noise.suspicions]
    total = len(wrong) // 2 if is_single else len(wrong)
    found, at_precision = 0, 0
    for rank, hit in enumerate(hits, 1):
        found += hit
        if found / rank >= 0.7:
            at_precision = found
    return {
        "labels": sum(noise.checked.values()),
        "wrong": total,
        "listed": len(hits),
        "found": found / total,
        "precision": found / max(1, len(hits)),
        "found_at_precision_0.7": at_precision / total,
    }


def _place_and_tag(suspicion: Suspicion) -> tuple[int, str]:
    return suspicion.place, suspicion.given or suspicion.suggested


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="labelled files")
    parser.add_argument("--facet", action="append", help="only these")
    parser.add_argument("--share", type=float, default=0.1, help="share of the labels that are replaced")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--products", type=int, help="size of a random sample; default: all")
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    products = read_labelled(arguments.files)
    if arguments.products:
        products = rng.sample(products, min(arguments.products, len(products)))
    result = {}
    print(f"{'facet':12} {'labels':>8} {'wrong':>6} {'listed':>6} {'found':>6} {'prec.':>6} {'at 0.7':>6} {'s':>6}")
    for facet in arguments.facet or sorted({facet for product in products for facet in product.facets}):
        worse, wrong = spoiled(products, facet, arguments.share, arguments.folds, rng)
        alone = [replace(product, facets=product.facets & {facet}, tags=product.tags_of(facet)) for product in worse]
        started = time.perf_counter()
        noise = find_label_noise(alone, arguments.folds)
        several = sum(len(product.tags) > 1 for product in alone)
        row = figures(noise, wrong, is_single=several <= 0.01 * len(alone))
        row["seconds"] = time.perf_counter() - started
        result[facet] = row
        print(
            f"{facet:12} {row['labels']:8} {row['wrong']:6} {row['listed']:6} {row['found']:6.3f} "
            f"{row['precision']:6.3f} {row['found_at_precision_0.7']:6.3f} {row['seconds']:6.1f}",
            flush=True,
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
