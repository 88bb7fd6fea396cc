"""The loss in old tags when a finished model learns ten more, depending on the share of old products in training.

    python -m benchmarks.more_tags ../shared/data/fashion-*.jsonl.gz --facet color --runs runs/more-tags

The products labelled for the facet are split into training, validation and test products (near duplicates together).
The seed draws ten of the facet's tags that are neither rare nor common; the first run is trained without their
products. Every other run starts from it and learns them, with the same number of epochs. Losses are measured on the
test products as in the release gate: over old tags with at least five test products. Runs are kept in --runs, and the
same command resumes them. Prints a table per seed, then JSON.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.runs import table, three_parts, trained, write_products
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import evaluate
from hangtag.trainer.recipe.recipe import Recipe
from hangtag.trainer.releasing.compare import compare

COMMON = {"max_tokens": 64, "keep": "last", "patience": 100, "ema_decay": 0.99}
LATER = {"epochs": 2, "learning_rate": 5e-5, "head_learning_rate": 5e-4}
# For each run: the settings of the old products' source, and whether the first run's bundle is a teacher.
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "nearly none": ({"fraction": 0.001}, False),
    "10 %": ({"fraction": 0.1}, False),
    "10 %, with the old bundle as teacher": ({"fraction": 0.1}, True),
    "30 %": ({"fraction": 0.3}, False),
    "30 %, all products of rare tags": ({"fraction": 0.3, "rare_up_to": 50}, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="labelled files")
    parser.add_argument("--facet", required=True, help="a single facet")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--new", type=int, default=10, help="number of tags to learn later")
    parser.add_argument("--fewest", type=int, default=30, help="lowest number of training products of these tags")
    parser.add_argument("--most", type=int, default=500, help="highest number of training products of these tags")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of the first run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--ways", nargs="*", help="only these rows of the table")
    arguments = parser.parse_args()

    products = three_parts(arguments.files, arguments.facet)
    result = {}
    for seed in arguments.seeds:
        found = learnt_later(products, arguments, seed, arguments.ways or list(WAYS))
        print(f"seed {seed}\n{table(found)}", flush=True)
        result[seed] = found
    print(json.dumps(result))


def learnt_later(
    parts: dict[str, list[LabelledProduct]], arguments: argparse.Namespace, seed: int, ways: list[str]
) -> list[dict[str, Any]]:
    """Train the first run, and one run per way of learning the new tags; returns a row for each of the latter."""
    data = arguments.runs / f"seed-{seed}"
    new = new_tags(parts["train"], arguments, seed)
    write_products(data / "new.jsonl", (product for product in parts["train"] if product.tags & new))
    write_products(data / "old.jsonl", (product for product in parts["train"] if not product.tags & new))
    write_products(data / "validation.jsonl", parts["validation"])
    first = {"train": ["old.jsonl"], "validation": ["validation.jsonl"]}
    before = data / "before"
    first_bundle = trained(
        Recipe.model_validate({"sources": [first], "epochs": arguments.epochs, "seed": seed, **COMMON}), data, before
    )
    current = open_tagger(ModelSettings(bundle=str(first_bundle), engine="cpu"))
    rows = []
    for way in ways:
        source, has_teacher = WAYS[way]
        sources = [{"train": ["new.jsonl"], "validation": ["validation.jsonl"]}, {"train": ["old.jsonl"], **source}]
        settings = {"sources": sources, "start_from": str(before), "seed": seed, **COMMON, **LATER}
        if has_teacher:
            settings["distillation"] = {"teachers": [str(first_bundle)], "weight": 0.5}
        run = data / "".join(letter if letter.isalnum() else "-" for letter in way)
        bundle = trained(Recipe.model_validate(settings), data, run)
        candidate = open_tagger(ModelSettings(bundle=str(bundle), engine="cpu"))
        shared = compare(current, candidate, parts["test"]).shared
        tags = evaluate(candidate, parts["test"]).facets[arguments.facet].tags
        assert shared is not None
        rows.append(
            {
                "old products in each epoch": way,
                "steps": steps(run),
                "old tags, mean F1 before": f"{shared.current:.2f}",
                "after": f"{shared.candidate:.2f}",
                "difference": f"{shared.points:+.2f} ({shared.low:+.2f} to {shared.high:+.2f})",
                "new tags, mean F1": f"{100 * sum(tags[tag].f1 for tag in new) / len(new):.1f}",
            }
        )
    return rows


def new_tags(products: list[LabelledProduct], arguments: argparse.Namespace, seed: int) -> frozenset[str]:
    """The tags that the first run is trained without."""
    counts = Counter(tag for product in products for tag in product.tags)
    drawable = sorted(tag for tag, count in counts.items() if arguments.fewest <= count <= arguments.most)
    return frozenset(random.Random(seed).sample(drawable, arguments.new))


def steps(run: Path) -> int:
    """The number of steps of a run."""
    last = json.loads((run / "steps.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return int(last["epoch"] * last["steps"])


if __name__ == "__main__":
    main()
