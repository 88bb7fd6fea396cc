"""One target in a process of its own: `python -m tests.fuzz.child NAME INPUTS SEED FOLDER`.

With atheris new inputs are chosen by the code that they reach; without it they are random changes of the seeds.
"""

import contextlib
import mmap
import os
import resource
import sys
from pathlib import Path
from types import ModuleType

# Memory that an input may make this process use, with what it has loaded.
_MOST_BYTES = 4 << 30
_LENGTH_BYTES = 8


class Running:
    """The input that runs and how many ran before it, in a file: readable for others even if this process dies."""

    def __init__(self, file: Path, most_bytes: int) -> None:
        file.write_bytes(bytes(2 * _LENGTH_BYTES + most_bytes))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 0)

    def note(self, count: int, data: bytes) -> None:
        """Note the next input."""
        header = count.to_bytes(_LENGTH_BYTES, "big") + len(data).to_bytes(_LENGTH_BYTES, "big")
        self._map[: len(header) + len(data)] = header + data


def read_running(file: Path) -> tuple[int, bytes]:
    """How many inputs a process has begun, and the last one."""
    content = file.read_bytes() if file.is_file() else b""
    count, length = (int.from_bytes(content[at : at + _LENGTH_BYTES], "big") for at in (0, _LENGTH_BYTES))
    return count, content[2 * _LENGTH_BYTES : 2 * _LENGTH_BYTES + length]


def main(name: str, inputs: int, seed: int, folder: Path) -> None:
    """Run the inputs and write `NAME.json`."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    with contextlib.suppress(ImportError):
        import atheris

        with atheris.instrument_imports(include=["hangtag"], enable_loader_override=False):
            _run(name, inputs, seed, folder, atheris)
        return
    _run(name, inputs, seed, folder, None)


def _run(name: str, inputs: int, seed: int, folder: Path, atheris: ModuleType | None) -> None:
    # Imported here, so that what they import of ours is instrumented.
    from tests.fuzz.catalogue import load_target
    from tests.fuzz.measure import Measured
    from tests.fuzz.mutate import MAX_BYTES, Mutator

    target = load_target(name)
    running = Running(folder / f"{name}.running", max(MAX_BYTES, *map(len, target.seeds)))
    measured = Measured(target, folder / "findings")
    mutator = Mutator(target.seeds, seed)
    result = folder / f"{name}.json"

    def one(data: bytes) -> None:
        running.note(measured.inputs, data)
        measured.run(data)
        if measured.inputs >= inputs:
            measured.write(result)
            sys.stdout.flush()
            os._exit(0)  # libFuzzer has no other way to end after so many inputs

    if atheris is None:
        while True:
            one(mutator.next())
    corpus = folder / f"{name}.corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)

    def change(data: bytes, max_size: int, number: int) -> bytes:
        # Bytes by libFuzzer, pieces and what decoders get wrong by ours.
        changed = mutator.change(data) if number % 2 else atheris.Mutate(data, max_size)
        return changed[:max_size]

    options = [f"-seed={seed + 1}", f"-max_len={MAX_BYTES}", "-timeout=600", "-rss_limit_mb=0", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
