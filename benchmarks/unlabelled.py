"""The benefit of unlabelled products beside a few labelled ones: pseudo-labels, soft targets, pre-training.

    python -m benchmarks.unlabelled ../shared/data/fashion-*.jsonl.gz --labelled 500 --runs runs/unlabelled

A quarter of the products are test products and 15 % are validation products (near duplicates together); of the others,
the given number keep their labels. All runs have the same number of epochs over the labelled products; runs with
unlabelled products add the same number of those to each epoch. The table has mean and spread (largest minus smallest)
over the seeds, each of which draws its own labelled products. Runs are kept in --runs, and the same command resumes
them. Prints a table, then JSON.
"""

import argparse
import json
import random
import statistics
from pathlib import Path
from typing import Any

from benchmarks.runs import table, three_parts, trained, write_products
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import evaluate
from hangtag.trainer.pretraining import PretrainingSettings, pretrain
from hangtag.trainer.recipe.recipe import Recipe

COMMON = {"max_tokens": 64, "keep": "last", "patience": 1_000}
ALONE = "labels only"
BARE = {"train": ["bare.jsonl"], "columns": {"labelled": False}}
PSEUDO = "pseudo-labels"
SOFT = "soft targets"
PRETRAINED = "pre-trained on all texts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="labelled files")
    parser.add_argument("--labelled", type=int, default=500, help="products that keep their labels")
    parser.add_argument("--epochs", type=int, default=18, help="passes over the labelled products")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()

    parts = three_parts(arguments.files)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in arguments.seeds:
        for way, bundle in bundles(parts, arguments, seed).items():
            tagger = open_tagger(ModelSettings(bundle=str(bundle), engine="cpu"))
            facets = evaluate(tagger, parts["test"]).facets
            figures = {
                f"{name}: {kind}": 100 * getattr(facet, f"{kind}_f1")
                for name, facet in facets.items()
                for kind in ("weighted", "macro")
            }
            found.setdefault(way, []).append(figures)
            print(json.dumps({"seed": seed, "way": way, **figures}), flush=True)
    print(table([{"": way} | summary(seeds) for way, seeds in found.items()]))
    print(json.dumps(found))


def summary(seeds: list[dict[str, float]]) -> dict[str, str]:
    """Mean and spread of every figure."""
    columns = {name: [each[name] for each in seeds] for name in seeds[0]}
    return {
        name: f"{statistics.mean(values):.2f} ({max(values) - min(values):.1f})" for name, values in columns.items()
    }


def bundles(parts: dict[str, list[LabelledProduct]], arguments: argparse.Namespace, seed: int) -> dict[str, Path]:
    """The bundle of every way with this seed's labelled products."""
    data = arguments.runs / f"seed-{seed}"
    drawn = random.Random(seed).sample(parts["train"], len(parts["train"]))
    write_products(data / "few.jsonl", drawn[: arguments.labelled])
    write_products(data / "bare.jsonl", drawn[arguments.labelled :])
    write_products(data / "validation.jsonl", parts["validation"])
    few = {"train": ["few.jsonl"], "validation": ["validation.jsonl"]}

    def run(name: str, **settings: Any) -> Path:
        shared = {"sources": [few], "seed": seed, "epochs": arguments.epochs}
        return trained(Recipe.model_validate(shared | COMMON | settings), data, data / name)

    alone = run("alone")
    base = data / "pretrained"
    pretrain(PretrainingSettings(max_tokens=64, seed=seed), [product.text for product in drawn], base)
    bare = BARE | {"fraction": min(1.0, arguments.labelled / (len(drawn) - arguments.labelled))}
    every = {"sources": [few, bare]}
    pseudo = {"sources": [few, bare | {"pseudo_labels": True}]}
    teachers = {"teachers": [str(alone)]}
    return {
        ALONE: alone,
        PSEUDO: run("pseudo", pseudo_labels=teachers, **pseudo),
        SOFT: run("soft", distillation=teachers | {"unlabelled": True}, **every),
        PRETRAINED: run("after-pretraining", base_model=str(base)),
    }


if __name__ == "__main__":
    main()
