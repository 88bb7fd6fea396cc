"""The mutants of `mutants.toml`: small changes that each break one invariant of Hangtag."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Path(__file__).resolve().parent / "mutants.toml"


class MutantError(Exception):
    """A mutant does not fit the sources; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. Every one of `tests` (pytest's node ids) must fail when it is made.

    `file` is relative to the project's root, and `old` must occur there exactly once.
    """

    name: str
    invariant: int
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> str:
        """The changed text of the file below `root`; nothing is written.

        Raises:
            MutantError: the file is missing, or `old` does not occur exactly once.
        """
        path = root / self.file
        if not path.is_file():
            msg = f"{self.name}: {self.file} does not exist; correct `file` in tests/mutants/mutants.toml"
            raise MutantError(msg)
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            msg = (
                f"{self.name}: `old` occurs {count} times in {self.file}; copy it again into tests/mutants/mutants.toml"
            )
            raise MutantError(msg)
        return text.replace(self.old, self.new)


def load_mutants(path: Path = CATALOGUE) -> list[Mutant]:
    """All mutants in the order of the file."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]
