"""How many seeds the simulator needs to notice each mutant: `python -m tests.simulation.mutants [NAME ...]`.

A mutant breaks an invariant on purpose (tests/mutants). It is made in a copy of the project, where seeds are run from 0
on until a rule is broken.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.catalogue import ROOT, Mutant, load_mutants
from tests.mutants.run import copy_project, project_files

MOST_SEEDS = 1_000
INVARIANTS = (1, 2, 3, 4, 6)
# What the mutants of these files, or of these names, break is not part of a simulation.
OUTSIDE = {
    "trainer/": "the trainer",
    "hangtag/kafka/": "how kafka-python reads batches",
    "hangtag/letters/": "replays by people",
    "hangtag/records/replay.py": "replays by people",
    "hangtag/write/comparison.py": "hangtag verify",
    "hangtag/store/rebuild_store.py": "another topic, and a week",
    "hangtag/export/": "exports",
    "docs/examples/": "indexes of others",
    "server/search/": "searches",
    "hangtag/index/common.py": "profiles",
    "hangtag/index/clarify.py": "questions",
    "hangtag/index/snapshot.py": "what a disk does",
    "hangtag/index/rows.py": "searches that run while the index changes",
    "show-what-tells-of-a-sensitive-tag": "profiles",
    "keep-old-counts-of-a-tag": "counts",
    "a-change-that-cannot-be-read-stops-its-neighbours": "records that Hangtag did not write",
    "repair-a-product-that-has-changed-since": "hangtag index check",
    "repair-only-what-is-older-in-the-index": "hangtag index check",
    "workers/breaker.py": "hundreds of dead letters",
    "workers/lag.py": "metrics",
    "workers/store_watch.py": "the worker's look at the store",
    "count-as-lag-only-what-was-polled": "metrics",
    "keep-a-read-that-began-before-a-change": "the milliseconds between a slow reply and the follower",
    "keep-what-may-have-been-missed": "the milliseconds between a slow reply and the follower",
    "wake-only-those-that-wait-for-that-very-version": "how long look-ups wait",
    "let-every-look-up-wait-for-a-store-that-is-away": "how long look-ups wait",
    "call-the-store-back-although-reads-fail": "permissions of the store's user",
    "fail-liveness-while-reading-is-paused": "hundreds of dead letters",
}
_COPIES = 2
_RUN = f"""
from tests.simulation.run import run_seeds
print("seed %d: %s" % (run_seeds(range({MOST_SEEDS})).failure or (-1, "")))
"""
_SEED = re.compile(r"seed (-?\d+): (.*)")


def main(names: Sequence[str]) -> int:
    """Run the mutants of these names, all without any; print a table; 0 if all are noticed."""
    found = [mutant for mutant in load_mutants() if mutant.invariant in INVARIANTS]
    mutants = [mutant for mutant in found if mutant.name in names] if names else found
    with tempfile.TemporaryDirectory() as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(_COPIES):
            copy = Path(folder) / str(number)
            copy_project(ROOT, copy, project_files())
            free.put(copy)

        def in_a_copy(mutant: Mutant) -> bool:
            copy = free.get()
            try:
                return _notice(mutant, copy)
            finally:
                free.put(copy)

        inside = [mutant for mutant in mutants if _outside(mutant) is None]
        with ThreadPoolExecutor(_COPIES) as threads:
            noticed = sum(threads.map(in_a_copy, inside))
    for mutant in mutants:
        if mutant not in inside:
            print(f"{mutant.invariant}  {mutant.name:52} outside: {_outside(mutant)}")
    outside = len(mutants) - len(inside)
    print(f"{noticed} of {len(inside)} mutants noticed within {MOST_SEEDS} schedules, {outside} outside")
    return int(noticed < len(inside))


def _outside(mutant: Mutant) -> str | None:
    """What a mutant breaks, if that is not part of a simulation."""
    found = (why for name, why in OUTSIDE.items() if mutant.name == name or mutant.file.startswith(name))
    return next(found, None)


def _notice(mutant: Mutant, copy: Path) -> bool:
    path = copy / mutant.file
    original = path.read_bytes()
    path.write_text(mutant.apply(copy), encoding="utf-8")
    environment = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RUN],
            cwd=copy,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.write_bytes(original)
    seed = _SEED.search(done.stdout)
    if seed is None:
        lines = done.stderr.strip().splitlines()
        print(f"{mutant.invariant}  {mutant.name:52} BROKEN    {lines[-1] if lines else 'no output'}", flush=True)
        return False
    if seed[1] == "-1":
        print(f"{mutant.invariant}  {mutant.name:52} SURVIVED  {MOST_SEEDS} schedules", flush=True)
        return False
    print(f"{mutant.invariant}  {mutant.name:52} {int(seed[1]) + 1:5} seeds  {seed[2][:90]}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
