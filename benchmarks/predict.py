"""How much of the engine's speed `hangtag predict` reaches: the job and what a worker does with a text, in turns.

    make bench-predict                     # 10 minutes; QUICK=1: 5,000 products once
    python -m benchmarks.predict --data ../shared/data/marketplace-validation.jsonl.gz --rows 20000

The job reads the file, cleans, tokenises, plans, runs, decodes and writes each row. `worker` is what a worker does with
the same texts between Kafka and Redis, on the same threads: tokenise, plan, run, decode. `engine` runs the texts alone,
tokenised and planned before. Rows/s suffer from other load on the machine, ratios and core-seconds hardly do. The most
memory is that of the process after each job, of which the engine has most. Writes benchmarks/results/predict.json.
"""

import argparse
import gzip
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, write_results
from benchmarks.machine import machine, memory_mb
from benchmarks.main_job import FEED
from hangtag.cli.predict.job import Job
from hangtag.cli.predict.source import Source
from hangtag.settings import WorkerSettings
from hangtag.tagger import Tagger
from hangtag.tagger.bulk import BulkTagger
from hangtag.tagger.planner import Waiting, plan
from hangtag.text.tokens import Tokens
from hangtag.trainer.recipe.columns import Columns

ROOT = Path(__file__).resolve().parent.parent
FORMATS = (".jsonl", ".csv", ".parquet")


def batches_of(tokens: list[Tokens], tagger: Tagger, limits: WorkerSettings) -> list[list[Tokens]]:
    """The texts in the batches that the planner makes of them."""
    waiting, result = dict(enumerate(tokens)), []
    while waiting:
        places = list(islice(waiting, limits.window))
        texts = [Waiting(len(waiting[place]), float(place)) for place in places]
        chosen = plan(
            texts,
            limits.token_budget,
            float(len(tokens)),
            cost=tagger.engine.cost,
            busy=False,
            max_wait_s=0,
            window=limits.window,
        ).batch
        result.append([waiting.pop(places[at]) for at in chosen])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=FEED, help="JSONL of products, also as .gz")
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--rows", type=int, default=100_000, help="the file is repeated if it has fewer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="5,000 rows, one round")
    add_results(parser, "predict")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.rounds = 5_000, 1
    result = measured(options.data, options.bundle, options.rows, options.rounds)
    write_results(result, options.results)
    table = Table("", "rows/s", "of the worker's", "core-seconds for 1,000", "most memory, MB")
    for name, its in result["measured"].items():
        of_worker = its["rows_per_s"] / result["measured"]["worker"]["rows_per_s"]
        figures = (f"{its['rows_per_s']:,.0f}", f"{of_worker:.2f}", f"{its['core_seconds_per_1000']:.2f}")
        table.add_row(name, *figures, f"{its['most_memory_mb']:,.0f}")
    Console().print(table)


def measured(data: Path, bundle: str, rows: int, rounds: int) -> dict[str, Any]:
    """Each way of tagging the rows, its best speed and its least processor time of all rounds."""
    limits, tagger = WorkerSettings(), Tagger.load(bundle, "cpu")
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_rows(path, data, rows)
        source = Source.of(path, Columns())
        texts = [text for _, text in source.products(0) if not text.is_empty]
        tokens = tagger.encode(texts)
        batches = batches_of(tokens, tagger, limits)
        for _ in range(rounds):
            for name in ("engine", "worker", *FORMATS):
                started, cores = time.perf_counter(), time.process_time()
                if name == "engine":
                    for batch in batches:
                        tagger.forward(batch)
                elif name == "worker":
                    for _ in BulkTagger(tagger, limits)(enumerate(texts)):
                        pass
                else:
                    Job(source, Path(folder) / f"tags{name}").run(tagger, limits, lambda _: None, lambda *_: None)
                its = found.setdefault(name, {"rows_per_s": 0.0, "core_seconds_per_1000": float("inf")})
                its["rows_per_s"] = max(its["rows_per_s"], rows / (time.perf_counter() - started))
                used = (time.process_time() - cores) / rows * 1_000
                its["core_seconds_per_1000"] = min(its["core_seconds_per_1000"], used)
                its["most_memory_mb"] = memory_mb(os.getpid())["most"]
    mean = sum(map(len, tokens)) / len(tokens)
    about = {"rows": rows, "rounds": rounds, "mean_tokens": mean, "engine": tagger.engine.name}
    return {"machine": machine(), **about, "measured": found}


def write_rows(path: Path, data: Path, rows: int) -> None:
    """Write so many lines of a file, which is repeated, each product under an id of its own."""
    opened = gzip.open if data.suffix == ".gz" else open
    with opened(data, "rb") as file:
        products = [orjson.loads(line) for line in islice(file, rows)]
    products = [each.get("product", each) for each in products]
    with path.open("wb") as file:
        for at in range(rows):
            product = products[at % len(products)] | {"product_id": f"sku-{at}"}
            file.write(orjson.dumps(product, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
