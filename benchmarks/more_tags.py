"""What old tags lose when a finished model learns ten more, by how much of the old products it sees again.

    python -m benchmarks.more_tags ../shared/data/fashion-*.jsonl.gz --facet color --runs runs/more-tags

The products that are labelled for the facet are split (near duplicates on one side) to train on, to set thresholds with
and to test with. Ten of its tags are drawn by the seed, none rare and none common; a first run never sees a product of
theirs. From it every other run learns them, in as many epochs. Losses are those that the release gate measures on the
test products: of old tags that five of them or more carry. Runs are kept in --runs: the same command goes on where it
stopped. Prints a table a seed, then JSON.
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
# What an old product's source says in each run, and whether the first run's bundle teaches.
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "next to none": ({"fraction": 0.001}, False),
    "10 %": ({"fraction": 0.1}, False),
    "10 %, the old bundle teaches": ({"fraction": 0.1}, True),
    "30 %": ({"fraction": 0.3}, False),
    "30 %, rare tags' all": ({"fraction": 0.3, "rare_up_to": 50}, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="labelled files")
    parser.add_argument("--facet", required=True, help="a single facet")
    parser.add_argument("--runs", type=Path, required=True, help="folder that runs are kept in")
    parser.add_argument("--new", type=int, default=10, help="tags that are learnt later")
    parser.add_argument("--fewest", type=int, default=30, help="training products that each of them has at least")
    parser.add_argument("--most", type=int, default=500, help="and at most")
    parser.add_argument("--epochs", type=int, default=4, help="of the first run")
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
    """A row for the first run and for each way from it to all tags."""
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
        source, taught = WAYS[way]
        sources = [{"train": ["new.jsonl"], "validation": ["validation.jsonl"]}, {"train": ["old.jsonl"], **source}]
        settings = {"sources": sources, "start_from": str(before), "seed": seed, **COMMON, **LATER}
        if taught:
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
    """The tags that the first run does not know."""
    counts = Counter(tag for product in products for tag in product.tags)
    drawable = sorted(tag for tag, count in counts.items() if arguments.fewest <= count <= arguments.most)
    return frozenset(random.Random(seed).sample(drawable, arguments.new))


def steps(run: Path) -> int:
    """How many steps a run took."""
    last = json.loads((run / "steps.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return int(last["epoch"] * last["steps"])


if __name__ == "__main__":
    main()
