"""The table and the JSON of a run."""

import datetime as dt
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hangtag.cli.console import make_console, make_table
from tests.chaos.diary import Diary
from tests.chaos.feeder import Feeder
from tests.chaos.look_ups import LookUps
from tests.chaos.outcome import Outcome

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks/results"
_EXAMPLES = 10


@dataclass(frozen=True)
class Run:
    """A finished run."""

    seed: int
    brokers: str
    bundle: str
    is_quick: bool
    diary: Diary
    outcome: Outcome
    index: Mapping[str, Any]
    feeder: Feeder
    look_ups: LookUps
    ended: list[str]
    settled_s: float


def report(run: Run) -> bool:
    """Print the table, write the JSON, and return whether everything is right."""
    outcome, look_ups = run.outcome, run.look_ups
    wrong = {
        "lost": outcome.lost,
        "older": outcome.older,
        "topic_disagrees": outcome.topic_disagrees,
        "never_sent": outcome.never_sent,
        "wrongly_refused": outcome.wrongly_refused,
        "look_ups_backwards": look_ups.backwards,
        "index_disagrees": _disagreements(run.index),
    }
    figures = {
        "produced": outcome.produced,
        "committed": outcome.committed_records,
        "sent_again": run.feeder.sent_again,
        "tagged": outcome.tagged,
        "deleted": outcome.deleted,
        "indexed": run.index["products"],
        "deadlettered": outcome.deadlettered,
        "deadlettered_again": outcome.deadlettered_again,
        **{name: len(found) for name, found in wrong.items()},
        "look_ups": look_ups.answers,
        "look_ups_refused": look_ups.refused,
        "programs_ended_by_themselves": len(run.ended),
        "settled_after_s": round(run.settled_s, 1),
        "duration_s": round(run.diary.now_s, 1),
    }
    table = make_table("what", "number", title=f"chaos, seed {run.seed}: {len(run.diary.faults)} faults")
    for name, number in figures.items():
        table.add_row(name.replace("_", " "), f"{number:,}")
    console = make_console()
    console.print(table)
    for name, found in wrong.items():
        for line in found[:_EXAMPLES]:
            console.print(f"{name}: {line}", markup=False)
    for line in run.ended:
        console.print(f"ended by itself: {line}", markup=False)
    result = {
        **figures,
        "examples": {name: found[:_EXAMPLES] for name, found in wrong.items() if found},
        "ended": run.ended,
        "faults": run.diary.faults,
        "seed": run.seed,
        "brokers": run.brokers,
        "bundle": run.bundle,
        "hardware": _hardware(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    path = RESULTS / ("chaos-quick.json" if run.is_quick else "chaos.json")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    console.print(f"written to {path.relative_to(RESULTS.parents[1])}", markup=False)
    return not any(wrong.values())


def _disagreements(index: Mapping[str, Any]) -> list[str]:
    """What `hangtag index check` found; a line for each product that is named, and one for all others of its kind."""
    found = []
    for kind, each in index["differences"].items():
        found += [f"{kind} {product_id}" for product_id in each["examples"]]
        found += [f"{kind}: another one"] * (each["count"] - len(each["examples"]))
    return found


def _hardware() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    size = f", {memory[0] / 1_048_576:.0f} GiB" if memory else ""
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}{size}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
