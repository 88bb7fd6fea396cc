"""Break each invariant on purpose and watch its tests fail: `python -m tests.mutants.run [NAME ...]` (`make mutants`).

The named tests must pass in a copy of the project as it is. Then each mutant is made in a copy, and every one of its
tests must fail there by what it checks. It ends with 1 if a mutant survives or does not fit the sources any more.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.catalogue import ROOT, Mutant, MutantError, load_mutants
from tests.mutants.outcome import Case, Verdict, evaluate, not_passing, read_cases

_COPIES = 2
_LIMIT_S = 300


def main(names: Sequence[str]) -> int:
    """Run the mutants of these names, all without any; print a table; 0 if all are caught."""
    mutants = [mutant for mutant in load_mutants() if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in mutants}:
        print(f"there is no mutant {', '.join(sorted(unknown))} in tests/mutants/mutants.toml")
        return 1
    files = project_files()
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(number) for number in range(_COPIES)]
        for copy in copies:
            copy_project(ROOT, copy, files)
        return run_mutants(mutants, copies)


def project_files() -> list[Path]:
    """The files of the project, relative to its root: those that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in listed.stdout.split("\0") if name]


def run_mutants(mutants: Sequence[Mutant], copies: Sequence[Path]) -> int:
    """Check the named tests without a mutant, then every mutant, one at a time in each copy; 0 if all are caught."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    started = time.monotonic()
    bad = not_passing(tests, run_tests(copies[0], tests, "-n", "2"))
    print(f"{len(tests)} tests without a mutant: {time.monotonic() - started:.0f} s", *bad, sep="\n", flush=True)
    if bad:
        return 1
    free: SimpleQueue[Path] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def in_a_copy(mutant: Mutant) -> bool:
        copy = free.get()
        try:
            begin = time.monotonic()
            verdict, reason = run_mutant(mutant, copy)
            lines = [reason] if reason else [test.rpartition("::")[2] for test in mutant.tests]
            print(f"{mutant.invariant}  {mutant.name:44} {verdict:9} {time.monotonic() - begin:4.0f} s  {lines[0]}")
            print(*(f"{'':64}{line}\n" for line in lines[1:]), sep="", end="", flush=True)
            return verdict is Verdict.CAUGHT
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as threads:
        caught = sum(threads.map(in_a_copy, mutants))
    print(f"{caught} of {len(mutants)} mutants caught in {time.monotonic() - started:.0f} s")
    return int(caught < len(mutants))


def run_mutant(mutant: Mutant, copy: Path) -> tuple[Verdict, str]:
    """Make the change in a copy, run its tests there, and take the change back."""
    try:
        changed = mutant.apply(copy)
    except MutantError as error:
        return Verdict.BROKEN, str(error)
    path = copy / mutant.file
    original = path.read_bytes()
    path.write_text(changed, encoding="utf-8")
    try:
        return evaluate(mutant.tests, run_tests(copy, mutant.tests))
    finally:
        path.write_bytes(original)


def copy_project(root: Path, copy: Path, files: Sequence[Path]) -> None:
    """Copy files of the project, given relative to its root; links stay links."""
    for file in files:
        if os.path.lexists(root / file):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / file, copy / file, follow_symlinks=False)


def run_tests(copy: Path, tests: Sequence[str], *further: str) -> list[Case]:
    """Run tests of a copy, in a process of its own that imports only what is in the copy; `further` are options."""
    report = copy / "report.xml"
    report.unlink(missing_ok=True)
    options = ("-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-o", "junit_family=xunit2")
    # No byte code: Python would not see a change within a second that leaves the length of a file as it was.
    environment = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *further, f"--junitxml={report}", *tests],
        cwd=copy,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return read_cases(report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
