"""How much of the engine's speed `hangtag predict` reaches: the job and the engine alone, in turns.

    python -m benchmarks.predict ../shared/data/marketplace-validation.jsonl.gz --rows 2000

The job reads the file, cleans, tokenises, plans, runs, decodes and writes every row; the engine alone runs the same
texts, tokenised and planned before. Rows/s suffer from other load on the machine, core-seconds hardly do.

Prints a table and then JSON.
"""

import argparse
import gzip
import json
import tempfile
import time
from itertools import islice
from pathlib import Path

from hangtag.cli.predict.job import Job
from hangtag.cli.predict.source import Source
from hangtag.settings import WorkerSettings
from hangtag.tagger import Tagger
from hangtag.tagger.planner import Waiting, plan
from hangtag.text.tokens import Tokens
from hangtag.trainer.recipe.columns import Columns

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSONL file with products, also as .gz")
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--rows", type=int, default=100_000, help="the file is repeated if it has fewer")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    limits, tagger = WorkerSettings(), Tagger.load(arguments.bundle, "cpu")
    opened = gzip.open if arguments.file.suffix == ".gz" else open
    with opened(arguments.file, "rb") as file:
        lines = list(islice(file, arguments.rows))
    lines = [lines[at % len(lines)].rstrip() for at in range(arguments.rows)]
    rates = dict.fromkeys(("engine", *FORMATS), 0.0)
    cores = dict.fromkeys(rates, float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        source = Source.of(path, Columns())
        tokens = tagger.encode([text for _, text in source.products(0) if not text.is_empty])
        batches = batches_of(tokens, tagger, limits)
        for _ in range(arguments.rounds):
            for name in rates:
                started, cores_started = time.perf_counter(), time.process_time()
                if name == "engine":
                    for batch in batches:
                        tagger.forward(batch)
                else:
                    job = Job(source, Path(folder) / f"tags{name}")
                    job.run(tagger, limits, lambda _: None, lambda *_: None)
                cores[name] = min(cores[name], (time.process_time() - cores_started) / arguments.rows * 1_000)
                rates[name] = max(rates[name], arguments.rows / (time.perf_counter() - started))
    for name, rate in rates.items():
        of_engine = f"{rate / rates['engine']:.2f} of the engine alone"
        print(f"{name:10} {rate:9,.0f} rows/s, {of_engine}   {cores[name]:6.2f} core-seconds for 1,000 rows")
    mean = sum(map(len, tokens)) / len(tokens)
    about = {"rows": arguments.rows, "mean_tokens": mean, "engine": tagger.engine.name}
    print(json.dumps({**about, "rows_per_s": rates, "core_seconds_per_1000": cores}))


if __name__ == "__main__":
    main()
