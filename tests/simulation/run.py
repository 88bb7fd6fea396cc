"""Run many schedules: `python -m tests.simulation.run --schedules 10000 --seed 0` (`make simulate`).

It ends with 0 only if no rule was broken. The first schedule that breaks one is made smaller and saved, and the command
that replays it is printed.
"""

import gc
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from tests.simulation.schedule import FAULTS, STAGES, Schedule
from tests.simulation.shrink import shrink
from tests.simulation.world import Result, simulate, simulated_clients

_CHUNK = 50
_MOST_NAMED = 20
_SAVED = Path("simulation-failure.json")


@dataclass(slots=True)
class Summary:
    """What some schedules had in them, and the first that failed with its reason."""

    schedules: int = 0
    counts: dict[str, list[int]] = field(default_factory=dict)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: int = 0
    simulated_s: float = 0.0
    failure: tuple[int, str] | None = None
    digest: str = ""

    def add(self, schedule: Schedule, result: Result) -> None:
        """Count one schedule."""
        self.schedules += 1
        for name, count in schedule.counts().items():
            self.counts.setdefault(name, []).append(count)
        self.pairs.update(result.pairs)
        self.steps += result.steps
        self.simulated_s += result.simulated_s
        self.digest = hashlib.sha256((self.digest + digest(result)).encode()).hexdigest()
        if result.failure and self.failure is None:
            self.failure = schedule.seed, result.failure

    def merge(self, other: "Summary") -> None:
        """Add what another process counted."""
        self.schedules += other.schedules
        for name, counts in other.counts.items():
            self.counts.setdefault(name, []).extend(counts)
        self.pairs.update(other.pairs)
        self.steps += other.steps
        self.simulated_s += other.simulated_s
        self.digest = hashlib.sha256((self.digest + other.digest).encode()).hexdigest()
        self.failure = self.failure or other.failure

    @property
    def missing_pairs(self) -> list[tuple[str, str]]:
        """Stages and faults that never met."""
        return [(stage, fault) for stage in STAGES for fault in FAULTS if (stage, fault) not in self.pairs]


def digest(result: Result) -> str:
    """The hash of a trace: the same seed gives the same one."""
    return hashlib.sha256(repr((result.failure, result.trace)).encode()).hexdigest()


def run_seeds(seeds: Sequence[int]) -> Summary:
    """Run the schedules of these seeds, up to the first that fails."""
    summary = Summary()
    gc.disable()  # what a chunk leaves fits into memory
    with simulated_clients():
        for seed in seeds:
            schedule = Schedule.of(seed)
            summary.add(schedule, simulate(schedule))
            if summary.failure is not None:
                break
    gc.enable()
    gc.collect()
    return summary


def run_all(first: int, count: int, jobs: int, console: Console) -> Summary:
    """Run the schedules of `count` seeds in `jobs` processes, and stop at the first failure."""
    chunks = [range(start, min(start + _CHUNK, first + count)) for start in range(first, first + count, _CHUNK)]
    total = Summary()
    with ProcessPoolExecutor(jobs) as pool:
        found: Iterator[Summary] = pool.map(run_seeds, chunks) if jobs > 1 else map(run_seeds, chunks)
        for number, summary in enumerate(found, start=1):
            total.merge(summary)
            if total.failure is not None:
                pool.shutdown(cancel_futures=True)
                break
            if number % 20 == 0:
                console.print(f"{total.schedules:,} of {count:,} schedules", style="dim")
    return total


def explain(schedule: Schedule, console: Console) -> None:
    """Make a failing schedule smaller, save it, and print it with the command that replays it."""
    with simulated_clients():
        wanted = simulate(schedule).failure.partition(":")[0]
        small = shrink(schedule, lambda one: simulate(one).failure.partition(":")[0] == wanted)
        failure = simulate(small).failure
    _SAVED.write_text(small.to_json(), encoding="utf-8")
    console.print(f"{len(small.events)} of {len(schedule.events)} events are enough ({failure}):")
    for event in small.events:
        where = f"in {event.stage}" if event.stage else ""
        what = f"  {event.at:6.3f} s  {event.kind:20} {event.product} {event.version or ''} {where}"
        console.print(what.rstrip(), highlight=False)
    console.print(
        f"replay: python -m tests.simulation.run --replay {_SAVED}   (all of it: --seed {schedule.seed} --schedules 1)"
    )


def main(
    schedules: Annotated[int, typer.Option(min=1, help="How many seeds to run.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    replay: Annotated[Path | None, typer.Option(help="Run the schedule in this file instead.")] = None,
) -> None:
    """Run schedules. Example: python -m tests.simulation.run --schedules 1000 --seed 5"""
    console = Console(soft_wrap=True)
    if replay is not None:
        schedule = Schedule.from_json(replay.read_text(encoding="utf-8"))
        with simulated_clients():
            result = simulate(schedule)
        for line in result.trace:
            console.print(*line, highlight=False)  # type: ignore[misc]
        console.print(result.failure or "no rule was broken", f"trace {digest(result)[:16]}", sep="\n")
        raise typer.Exit(int(bool(result.failure)))
    started = time.monotonic()
    total = run_all(seed, schedules, jobs, console)
    if total.failure is not None:
        number, failure = total.failure
        console.print(f"seed {number}: {failure}", style="bold red")
        explain(Schedule.of(number), console)
        raise typer.Exit(1)
    taken_s = time.monotonic() - started
    console.print(
        f"{total.schedules:,} schedules ({total.steps:,} turns, {total.simulated_s / 3_600:.1f} simulated hours) "
        f"in {taken_s:.0f} s with {jobs} processes: no rule was broken; traces {total.digest[:16]}"
    )
    for name, counts in total.counts.items():
        ordered = sorted(counts)
        low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
        console.print(f"  {name:9} median {median(counts):.0f}, 5 % to 95 % {low} to {high}", highlight=False)
    missing = total.missing_pairs
    possible = len(STAGES) * len(FAULTS)
    rarest = min(total.pairs.values(), default=0)
    console.print(f"  {possible - len(missing)} of {possible} pairs of stage and fault met, the rarest {rarest} times")
    if 0 < len(missing) <= _MOST_NAMED:
        console.print("  never met: " + ", ".join(f"{stage} and {fault}" for stage, fault in missing))


if __name__ == "__main__":
    typer.run(main)
