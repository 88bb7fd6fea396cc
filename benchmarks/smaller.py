"""What a smaller model costs, and what a larger one can teach it: layers dropped, distilled, in int8.

    python -m benchmarks.smaller --data ../shared/data --teacher ../shared/models/bge-small-en-v1.5 --runs runs/smaller

The games files (two multi facets): a teacher with more layers, the starter base model whole and with half its layers,
each trained alone and with the teacher's word beside the labels; a third student learns from teacher and whole model
together. F1 is that of the int8 bundles on the validation products, means over the seeds and their spread (the largest
less the smallest); size and speed are measured on the first seed's bundles in turns. Runs are kept in --runs: the same
command goes on where it stopped. Prints a table, then JSON.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.runs import table, trained
from trainer.choosing.comparing import Compared, compare_runs
from trainer.data.labelled import read_labelled
from trainer.recipe import Recipe

FILES = {"train": ["games-train.jsonl.gz"], "validation": ["games-validation.jsonl.gz"]}
KINDS = {name: {"kind": "multi"} for name in ("genre", "mode")}
LESSON = {"weight": 0.7, "temperature": 2.0}
HALF = (0, 2, 5)
TIMED = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the games files")
    parser.add_argument("--teacher", required=True, help="base model with more layers")
    parser.add_argument("--runs", type=Path, required=True, help="folder that runs are kept in")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()

    texts = [product.text for product in read_labelled([arguments.data / FILES["validation"][0]])[:TIMED]]
    seeds = [runs(arguments, seed) for seed in arguments.seeds]
    found = [compare_runs(list(each.values()), texts, 0.0) for each in seeds]
    rows = [row(name, [each[at] for each in found]) for at, name in enumerate(seeds[0])]
    print(table(rows))
    print(json.dumps([[each.to_json() for each in seed] for seed in found]))


def row(name: str, seeds: list[Compared]) -> dict[str, Any]:
    """A model's line of the table."""
    facets = {facet: [100 * each.f1[facet] for each in seeds] for facet in KINDS}
    means = [statistics.mean(values) for values in zip(*facets.values(), strict=True)]
    first = seeds[0]
    return {
        "model": name,
        **{facet: f"{statistics.mean(values):.2f}" for facet, values in facets.items()},
        "mean": f"{statistics.mean(means):.2f} ({max(means) - min(means):.2f})",
        "lost by int8": f"{statistics.mean(each.int8_loss or 0.0 for each in seeds):.2f}",
        "MB": f"{first.megabytes:.1f}",
        "speed against the teacher": f"{first.ratio:.2f}",
        "core-hours for a million": f"{first.core_hours:.2f}",
    }


def runs(arguments: argparse.Namespace, seed: int) -> dict[str, Path]:
    """Every model's run with this seed, by the model's name."""
    folder = arguments.runs / f"seed-{seed}"

    def run(name: str, **settings: Any) -> Path:
        recipe = Recipe.model_validate(
            {"sources": [FILES], "facets": KINDS, "epochs": arguments.epochs, "keep": "last", "seed": seed}
            | {"patience": arguments.epochs, "ema_decay": 0.99}
            | settings
        )
        trained(recipe, arguments.data, folder / name)
        return folder / name

    teacher = run("teacher", base_model=arguments.teacher)
    taught = {"distillation": LESSON | {"teachers": [str(teacher / "bundle")]}}
    whole, whole_taught = run("six"), run("six-taught", **taught)
    both = {"distillation": LESSON | {"teachers": [str(teacher / "bundle"), str(whole / "bundle")]}}
    return {
        "12 layers, the teacher": teacher,
        "6 layers": whole,
        "6 layers, taught": whole_taught,
        "6 layers, taught by both": run("six-taught-by-both", **both),
        "3 layers": run("three", keep_layers=HALF),
        "3 layers, taught": run("three-taught", keep_layers=HALF, **taught),
    }


if __name__ == "__main__":
    main()
