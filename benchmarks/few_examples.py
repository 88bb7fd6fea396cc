"""The quality of tags learnt by `hangtag learn-tag` from eight examples, with an encoder that was not trained for them.

    python -m benchmarks.few_examples ../shared/data/fashion-*.jsonl.gz --facet color --bundle FOLDER

FOLDER is the first run's bundle of benchmarks.more_tags (runs/more-tags/seed-1/before/bundle), which was made with the
same split and so has not seen the test products. Each of the facet's tags that the bundle lacks and that enough
products have is learnt on its own, from eight training products with the tag and 400 without it. "changed" is the
number of logits of the bundle's other tags that are not bit-identical afterwards, over the test products and both
engines. Prints a table, then JSON.
"""

import argparse
import json
import random
import statistics
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.runs import table, three_parts
from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.tag import facet_of, value_of
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of
from hangtag.trainer.learning.learn_tag import learn_tags
from hangtag.trainer.learning.left_out import left_out
from hangtag.trainer.learning.lesson import MIN_EXAMPLES, Lesson
from hangtag.trainer.learning.new_tags import NewTags

ENGINES = ("cpu", "torch")
AGAINST = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="labelled files")
    parser.add_argument("--facet", required=True, help="a single facet")
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle that lacks some of its tags")
    parser.add_argument("--fewest", type=int, default=30, help="lowest number of training products of a tag")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    parts = three_parts(arguments.files, arguments.facet)
    bundle = load_bundle(arguments.bundle)
    counts = Counter(tag for product in parts["train"] for tag in product.tags)
    new = sorted(tag for tag, count in counts.items() if count >= arguments.fewest and tag not in bundle.schema.index)
    before = {engine: engine_logits(bundle, parts["test"], engine) for engine in ENGINES}
    rows = [learnt(bundle, tag, parts, before, arguments.seed) for tag in new]
    mean = {name: statistics.mean(row[name] for row in rows) for name in rows[0] if name != "tag"}
    shown = [
        {name: value if isinstance(value, str) else f"{value:.1f}" for name, value in row.items()}
        for row in [*rows, {"tag": "mean"} | mean]
    ]
    print(table(shown))
    print(json.dumps(rows))


def learnt(
    bundle: Bundle, tag: str, parts: dict[str, list[LabelledProduct]], before: dict[str, Logits], seed: int
) -> dict[str, Any]:
    """The quality of a tag learnt from eight examples, and the number of other logits that changed."""
    rng = random.Random(seed)
    fitting = [product.text for product in parts["train"] if tag in product.tags]
    others = [product.text for product in parts["train"] if tag not in product.tags]
    examples: list[ProductText] = rng.sample(sorted(set(fitting), key=str), MIN_EXAMPLES)
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        new = NewTags(facet_of(tag), (value_of(tag),))
        pairs = [(text, frozenset({tag})) for text in examples]
        lesson = Lesson.of(bundle, new, pairs, rng.sample(others, AGAINST))
        learn_tags(lesson, Path(folder) / "bundle")
        seconds = time.perf_counter() - started
        richer = load_bundle(Path(folder) / "bundle")
    # Without products whose tags both bundles lack: their predictions are wrong in any case.
    kept = [at for at, product in enumerate(parts["test"]) if product.tags <= set(richer.schema.tags)]
    old = [richer.schema.index[each] for each in bundle.schema.tags]
    after = {engine: engine_logits(richer, parts["test"], engine) for engine in ENGINES}
    engine = open_engine(richer, "cpu")
    try:
        products = [parts["test"][at] for at in kept]
        score = evaluate_logits(Tagger.of(richer, engine), products, after["cpu"][kept])
    finally:
        engine.close()
    found, tried = score.facets[facet_of(tag)].tags[tag], left_out(lesson).tags[tag]
    return {
        "tag": tag,
        "test products": found.support,
        "precision": 100 * found.precision,
        "recall": 100 * found.recall,
        "recall, left out": 100 * tried.found / tried.examples,
        "F1": 100 * found.f1,
        "seconds": seconds,
        "changed": int(sum((after[name][:, old] != before[name]).sum() for name in ENGINES)),
    }


def engine_logits(bundle: Bundle, products: list[LabelledProduct], kind: str) -> Logits:
    """The logits of one engine, of shape (products, tags)."""
    engine = open_engine(bundle, kind)  # type: ignore[arg-type]
    try:
        return np.asarray(logits_of(Tagger.of(bundle, engine), products))
    finally:
        engine.close()


if __name__ == "__main__":
    main()
