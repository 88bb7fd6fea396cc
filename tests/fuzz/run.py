"""Feed bad input to every boundary: `python -m tests.fuzz.run --inputs 1000000` (`make fuzz`).

Prints a line per target and ends with 1 if an input crashed a target, stopped it or was slow. Such inputs are kept in
`fuzz-findings/`; run one again with `--replay FILE`.
"""

# ruff: noqa: T201 (a command: its table goes to standard output)

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fuzz.catalogue import SHARES, inputs_of, load_target
from tests.fuzz.child import read_running
from tests.fuzz.measure import SLOW_MS

FINDINGS = Path("fuzz-findings")
_PROCESSES = 2
# Without a new input for so long, a target hangs.
_STUCK_S = 60.0
_MEMORY = Path("/dev/shm")
_HEAD = (
    f"{'target':16} {'inputs':>9} {'covered':>8} {'outcomes':>8} {'slowest':>10} {'bytes':>8} {'memory':>9} findings"
)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; 0 if nothing was found, 1 if something was, 130 if it was stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.run",
        description="Feed bad input to every boundary: each input must end with a valid result or a clear error.",
        epilog="example: python -m tests.fuzz.run --inputs 20000 --target events --target texts",
    )
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs in all (default: 1,000,000)")
    parser.add_argument("--target", action="append", choices=[*SHARES], metavar="NAME", help=", ".join(SHARES))
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other inputs (default: 0)")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run one input again; the file's name begins with its target"
    )
    given = parser.parse_args(arguments)
    if given.replay:
        return replay(given.replay)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return fuzz(inputs_of(given.target or [*SHARES], given.inputs), given.seed)
    except KeyboardInterrupt:
        print("stopped")
        return 130


def fuzz(counts: dict[str, int], seed: int) -> int:
    """Run so many inputs of each target, in two processes; 0 if nothing was found."""
    guided = importlib.util.find_spec("atheris") is not None
    print(
        "new inputs by coverage (atheris)" if guided else "atheris is not installed: random changes of the seeds only"
    )
    print(_HEAD, flush=True)
    started, found, total = time.monotonic(), 0, 0
    with _folder() as folder, ThreadPoolExecutor(_PROCESSES) as pool:
        processes = _Processes(folder, seed)
        try:
            for figures in pool.map(processes.run, counts, counts.values()):
                total += figures["inputs"]
                found += _print(figures)
        except BaseException:
            processes.end()
            pool.shutdown(cancel_futures=True)
            raise
    print(f"{total:,} inputs, {found} findings, {time.monotonic() - started:.0f} s, seed {seed}")
    return 1 if found else 0


def replay(file: Path) -> int:
    """Run one input in this process; 0 if its target keeps its contract in time."""
    name = file.name.split("-")[0]
    if name not in SHARES or not file.is_file():
        print(f"{file}: not a file whose name begins with a target: {', '.join(SHARES)}")
        return 2
    ms = _again(name, file.read_bytes())
    print(f"{name}: {ms:.1f} ms")
    return 1 if ms > SLOW_MS else 0


def _again(name: str, data: bytes) -> float:
    """The least processor time of three tries, without instrumentation, in ms."""
    target = load_target(name)
    times = []
    for _ in range(3):
        started = time.thread_time()
        target.run(data)
        times.append((time.thread_time() - started) * 1_000)
    return min(times)


@contextmanager
def _folder() -> Iterator[Path]:
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hangtag-fuzz-", dir=memory) as folder:
        yield Path(folder)


class _Processes:
    """Runs one target after another, each in a process, and watches that it goes on."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(self, name: str, inputs: int) -> dict[str, Any]:
        """The figures of one target."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.child", name, str(inputs), str(self._seed), str(self._folder)],
                stdout=output,
                stderr=output,
                env={**os.environ, "TMPDIR": str(self._folder)},
            )
        self._running.add(process)
        try:
            ended = self._wait(process, self._folder / f"{name}.running")
        finally:
            self._running.discard(process)
        text = log.read_text(encoding="utf-8", errors="replace")
        result = self._folder / f"{name}.json"
        figures = json.loads(result.read_text("utf-8")) if result.is_file() else self._lost(name, ended, text)
        covered = [line.split("cov: ")[1].split()[0] for line in text.splitlines() if "cov: " in line]
        return {**figures, "covered": covered[-1] if covered else "-"}

    def end(self) -> None:
        """Kill the processes."""
        for process in [*self._running]:
            process.kill()

    def _wait(self, process: subprocess.Popen[bytes], running: Path) -> str:
        before, since = -1, time.monotonic()
        while True:
            try:
                return f"ended with {process.wait(1)}"
            except subprocess.TimeoutExpired:
                count, _ = read_running(running)
            if count != before:
                before, since = count, time.monotonic()
            elif time.monotonic() - since > _STUCK_S:
                process.kill()
                process.wait()
                return f"an input ran for {_STUCK_S:.0f} s"

    def _lost(self, name: str, ended: str, log: str) -> dict[str, Any]:
        """The figures of a process that did not report: its last input is a finding."""
        count, data = read_running(self._folder / f"{name}.running")
        kept = self._folder / "findings" / f"{name}-stopped"
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(data)
        last = log.strip().splitlines()[-1:] or [""]
        return {
            "target": name,
            "inputs": count,
            "outcomes": 0,
            "slowest_ms": 0.0,
            "slowest_bytes": len(data),
            "memory_growth_mib": 0.0,
            "slow": [],
            "crashes": {f"the process {ended} ({last[0][:200]})": str(kept)},
        }


def _print(figures: dict[str, Any]) -> int:
    """One line of the table, and what was found; the number of findings."""
    crashes: dict[str, str] = figures["crashes"]
    # With instrumentation an input takes several times as long: what counts is the time without.
    slow = [(ms, path) for _, path in figures["slow"] if (ms := _timed(figures["target"], Path(path))) > SLOW_MS]
    print(
        f"{figures['target']:16} {figures['inputs']:>9,} {figures['covered']:>8} {figures['outcomes']:>8}"
        f" {figures['slowest_ms']:>7.1f} ms {figures['slowest_bytes']:>8,} {figures['memory_growth_mib']:>5.0f} MiB"
        f" {len(crashes) + len(slow)}",
        flush=True,
    )
    for what, path in [*crashes.items(), *((f"{ms:.0f} ms", path) for ms, path in slow)]:
        FINDINGS.mkdir(exist_ok=True)
        kept = shutil.copy(path, FINDINGS)
        print(f"  {what}\n    again: python -m tests.fuzz.run --replay {kept}", flush=True)
    return len(crashes) + len(slow)


def _timed(name: str, file: Path) -> float:
    try:
        return _again(name, file.read_bytes())
    except Exception:  # noqa: BLE001 (reported as a crash already)
        return 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
