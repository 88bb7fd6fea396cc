"""The targets, and what share of a run's inputs each gets."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"

# Where a shop's, a caller's or another program's bytes arrive, and inputs take microseconds, there are many; what
# reads a folder or a file takes milliseconds.
SHARES = {
    "events": 15,
    "messages": 12,
    "letters": 10,
    "texts": 12,
    "tokens": 4,
    "queries": 1,
    "requests": 10,
    "searches": 5,
    "filters": 2,
    "json_requests": 5,
    "stored_values": 8,
    "tagged_records": 8,
    "batches": 6,
    "feed_lines": 5,
    "bundles": 3,
    "folders": 0.5,
    "settings_files": 1.5,
    "environments": 1,
    "recipes": 1.5,
    "labelled": 1.5,
    # A connection to a running server for each input.
    "wire_frames": 0.5,
    "wire_messages": 0.5,
    "wire_metadata": 0.5,
    "wire_http": 0.5,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its name, the function, and inputs to begin with."""

    name: str
    run: Callable[[bytes], str]
    seeds: tuple[bytes, ...]


def load_target(name: str) -> Target:
    """The target of this name; its seeds, and the inputs that were findings once."""
    module = importlib.import_module(f"tests.fuzz.targets.{name}")
    found = (CORPUS / name).glob("*") if (CORPUS / name).is_dir() else ()
    return Target(name, module.target, (*module.SEEDS, *(path.read_bytes() for path in sorted(found))))


def inputs_of(names: list[str], inputs: int) -> dict[str, int]:
    """How many of the inputs each of these targets gets: all of them, in the ratio of their shares."""
    total = sum(SHARES[name] for name in names)
    counts = {name: max(1, int(inputs * SHARES[name] / total)) for name in names}
    counts[names[0]] += max(0, inputs - sum(counts.values()))
    return counts
