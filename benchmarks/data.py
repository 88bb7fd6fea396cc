"""How fast `hangtag data check`, `split` and `noise` are, and how much memory they need, on generated products.

    make bench-data                                      # QUICK=1: 100,000 products, within a minute
    python -m benchmarks.data --sizes 1000000 10000000 --commands check split

Products are generated into a Parquet file: a title of 3 to 8 words, a description of 0 to 20, three facets (40 classes,
12 colors, 4 audiences) whose values the text mostly names, 5 % near copies of other products and 2 % wrong colors. Each
command runs in a process of its own, as a user would run it; its most memory is what the system counted for it. `noise`
takes longest by far: --noise says of how many products at most (quick: 1,000).

Prints a table and writes benchmarks/results/data.json.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, write_results
from benchmarks.machine import machine

ROOT = Path(__file__).resolve().parent.parent
_COMMANDS = ("check", "split", "noise")
_CLASSES = [f"{first}{last}" for first in ("sho", "bag", "lam", "cha", "tab", "cup", "hat", "rug") for last in "aeiou"]
_COLORS = ("black", "white", "red", "blue", "green", "grey", "brown", "pink", "yellow", "purple", "orange", "beige")
_AUDIENCES = ("women", "men", "girls", "boys")
_SYLLABLES = [f"{first}{vowel}" for first in "bdfgklmnprstvz" for vowel in "aeiou"]
_COPIES, _WRONG = 0.05, 0.02
_AT_ONCE = 50_000
_QUICK = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], help="numbers of products")
    parser.add_argument("--noise", type=int, default=1_000_000, help="products for noise, at most")
    parser.add_argument("--commands", nargs="+", choices=_COMMANDS, default=_COMMANDS)
    parser.add_argument("--quick", action="store_true", help="within a minute: 10,000 and 100,000 products")
    add_results(parser, "data")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.noise = [_QUICK // 10, _QUICK], _QUICK // 100
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            file = generated(Path(folder), size)
            few = generated(Path(folder), options.noise) if options.noise < size else file
            for command in options.commands:
                rows = min(size, options.noise) if command == "noise" else size
                if command == "noise" and any(each["command"] == "noise" and each["rows"] == rows for each in measured):
                    continue
                measured.append(run(command, few if command == "noise" else file, rows, Path(folder)))
                print(f"{command} of {rows:,} products: {measured[-1]['seconds']:,.0f} s", file=sys.stderr, flush=True)
    result = {"machine": machine(), "quick": options.quick, "measured": measured}
    write_results(result, options.results)
    table = Table("command", "products", "products/s", "core-seconds for 1,000", "most memory, MB", "file, MB")
    for each in measured:
        figures = (each["rows_per_s"], each["core_seconds_per_1000"], each["most_memory_mb"], each["file_mb"])
        shown = (f"{figures[0]:,.0f}", f"{figures[1]:.2f}", f"{figures[2]:,.0f}", f"{figures[3]:,.1f}")
        table.add_row(each["command"], f"{each['rows']:,}", *shown)
    Console().print(table)


def run(command: str, file: Path, rows: int, folder: Path) -> dict[str, Any]:
    """Run one command; its speed, its processor time and the most memory that it had at a time."""
    output = (
        ["--out", str(folder / "split")] if command == "split" else ["--json-file", str(folder / f"{command}.json")]
    )
    arguments = [sys.executable, "-m", "hangtag.cli", "data", command, str(file), *output]
    for column in ("facet.class=class", "facet.color=color", "facet.audience=audience"):
        arguments += ["--column", column]
    started = time.perf_counter()
    with (folder / "output").open("wb") as printed:
        out = ((os.POSIX_SPAWN_DUP2, printed.fileno(), 1), (os.POSIX_SPAWN_DUP2, printed.fileno(), 2))
        pid = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=out)
        _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{command} failed:\n{(folder / 'output').read_text(encoding='utf-8', errors='replace')}")
    cores = used.ru_utime + used.ru_stime
    return {
        "command": command,
        "rows": rows,
        "seconds": seconds,
        "rows_per_s": rows / seconds,
        "core_seconds_per_1000": cores / rows * 1_000,
        "most_memory_mb": used.ru_maxrss * 1_024 / 1e6,
        "file_mb": file.stat().st_size / 1e6,
    }


def generated(folder: Path, size: int) -> Path:
    """A Parquet file with so many products."""
    path = folder / f"products-{size}.parquet"
    if path.exists():
        return path
    schema = pa.schema([(name, pa.string()) for name in ("product_id", "title", "description", *_FACETS)])
    rows = products(size, random.Random(1))
    with ParquetWriter(path, schema) as writer:
        while piece := [row for _, row in zip(range(_AT_ONCE), rows, strict=False)]:
            writer.write_table(pa.Table.from_pylist(piece, schema))
    return path


_FACETS = ("class", "color", "audience")


def products(size: int, rng: random.Random) -> Iterator[dict[str, str]]:
    """Products whose texts mostly say their labels; some are near copies, some have a wrong color."""
    words = ["".join(rng.choices(_SYLLABLES, k=rng.choice((2, 3)))) for _ in range(20_000)]
    before: list[dict[str, str]] = []
    for number in range(size):
        if before and rng.random() < _COPIES:
            product = {**rng.choice(before), "product_id": f"sku-{number}"}
            product["description"] += f" {rng.choice(words)}"
        else:
            kind, color, audience = rng.choice(_CLASSES), rng.choice(_COLORS), rng.choice(_AUDIENCES)
            title = [color, *rng.choices(words, k=rng.randint(1, 5)), kind, f"for {audience}"]
            label = rng.choice(_COLORS) if rng.random() < _WRONG else color
            labels = {"class": kind, "color": label, "audience": audience}
            description = " ".join(rng.choices(words, k=rng.randint(0, 20)))
            product = {"product_id": f"sku-{number}", "title": " ".join(title), "description": description, **labels}
            if len(before) < _AT_ONCE:
                before.append(product)
            else:
                before[number % _AT_ONCE] = product
        yield product


if __name__ == "__main__":
    main()
