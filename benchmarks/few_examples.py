"""What `hangtag learn-tag` makes of eight examples, of tags that the encoder has never been trained for.

    python -m benchmarks.few_examples ../shared/data/fashion-*.jsonl.gz --facet color --bundle FOLDER

FOLDER is the first run's bundle of benchmarks.more_tags (runs/more-tags/seed-1/before/bundle): the split is the same,
so that it has seen none of the test products. Each tag of the facet that it lacks and enough products carry is learnt
alone, from eight training products that carry it and 400 that do not. "changed" counts logits of the bundle's own tags
that are not equal to the bit afterwards, over the test products and both engines. Prints a table, then JSON.
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
from hangtag.tags.tag import facet_of
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import judge, scores_of
from hangtag.trainer.learning.learn_tag import FEWEST, NewTag, learn_tag

ENGINES = ("cpu", "torch")
AGAINST = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="labelled files")
    parser.add_argument("--facet", required=True, help="a single facet")
    parser.add_argument("--bundle", type=Path, required=True, help="that lacks some of its tags")
    parser.add_argument("--fewest", type=int, default=30, help="training products that a tag has at least")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    parts = three_parts(arguments.files, arguments.facet)
    bundle = load_bundle(arguments.bundle)
    counts = Counter(tag for product in parts["train"] for tag in product.tags)
    new = sorted(tag for tag, count in counts.items() if count >= arguments.fewest and tag not in bundle.schema.index)
    before = {engine: logits_of(bundle, parts["test"], engine) for engine in ENGINES}
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
    """How well a tag is told that was learnt from eight examples, and what that changed."""
    rng = random.Random(seed)
    fitting = [product.text for product in parts["train"] if tag in product.tags]
    others = [product.text for product in parts["train"] if tag not in product.tags]
    examples: list[ProductText] = rng.sample(sorted(set(fitting), key=str), FEWEST)
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        learn_tag(bundle, NewTag(tag), examples, rng.sample(others, AGAINST), Path(folder) / "bundle")
        seconds = time.perf_counter() - started
        richer = load_bundle(Path(folder) / "bundle")
    # Products of tags that neither bundle knows would only tell that.
    asked = [at for at, product in enumerate(parts["test"]) if product.tags <= set(richer.schema.tags)]
    old = [richer.schema.index[each] for each in bundle.schema.tags]
    after = {engine: logits_of(richer, parts["test"], engine) for engine in ENGINES}
    engine = open_engine(richer, "cpu")
    try:
        products = [parts["test"][at] for at in asked]
        score = judge(Tagger.of(richer, engine), products, after["cpu"][asked])
    finally:
        engine.close()
    found = score.facets[facet_of(tag)].tags[tag]
    return {
        "tag": tag,
        "test products": found.support,
        "precision": 100 * found.precision,
        "recall": 100 * found.recall,
        "F1": 100 * found.f1,
        "seconds": seconds,
        "changed": int(sum((after[name][:, old] != before[name]).sum() for name in ENGINES)),
    }


def logits_of(bundle: Bundle, products: list[LabelledProduct], kind: str) -> Logits:
    """Logits of shape (products, tags)."""
    engine = open_engine(bundle, kind)  # type: ignore[arg-type]
    try:
        return np.asarray(scores_of(Tagger.of(bundle, engine), products))
    finally:
        engine.close()


if __name__ == "__main__":
    main()
