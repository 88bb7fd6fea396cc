"""Predictions on their way: a file of JSON lines that a killed command leaves behind and the next one continues."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from hangtag.cli.errors import CommandError


@dataclass(slots=True)
class Counts:
    """How many products have an AUTO tag, only REVIEW tags, no tags, or could not be tagged."""

    auto: int = 0
    review: int = 0
    nothing: int = 0
    failed: int = 0

    def add(self, prediction: Mapping[str, Any]) -> None:
        """Count a prediction."""
        if prediction["error"] is not None:
            self.failed += 1
        elif prediction["tags"]:
            self.auto += 1
        elif prediction["review"]:
            self.review += 1
        else:
            self.nothing += 1

    @property
    def total(self) -> int:
        """All rows."""
        return self.auto + self.review + self.nothing + self.failed


@dataclass(slots=True)
class Journal:
    """The open file, and the counts of what is in it: one prediction for each row of the source, in order."""

    path: Path
    file: IO[bytes]
    counts: Counts = field(default_factory=Counts)

    def write(self, prediction: Mapping[str, Any]) -> None:
        """Add a prediction; it survives a kill soon after."""
        self.file.write(orjson.dumps(prediction, option=orjson.OPT_APPEND_NEWLINE))
        self.counts.add(prediction)

    def finish(self) -> None:
        """Write everything to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def read(self) -> Iterator[dict[str, Any]]:
        """Every prediction, in order."""
        self.file.flush()
        with self.path.open("rb") as lines:
            yield from map(orjson.loads, lines)


@contextmanager
def opened_journal(path: Path, made_of: Mapping[str, Any], *, restart: bool) -> Iterator[Journal]:
    """Open the journal at `path`, and continue what is in it if it was begun for the same (`made_of`).

    Raises:
        CommandError: another command writes it, or it was begun with another file, bundle or options.
        OSError: it cannot be written.
    """
    note = note_of(path)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another command writes {path}: wait until it ends, or choose another --out"
            raise CommandError(msg) from None
        if not path.is_file() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            # It has become the result of another command while this one waited to open it.
            msg = f"another command has just finished {path.with_suffix('')}: run the same command again"
            raise CommandError(msg)
        journal = Journal(path, file)
        if restart or not note.is_file():
            file.truncate(0)
        elif differing := _differing(note, made_of):
            msg = (
                f"{path} is the beginning of a result of another {' and another '.join(differing)}: finish it with "
                "the same command as before, or start again with --restart"
            )
            raise CommandError(msg)
        note.write_text(json.dumps(made_of), encoding="utf-8")
        _continue(journal)
        try:
            yield journal
        finally:
            if not journal.counts.total and path.is_file():  # there is nothing to continue
                note.unlink()
                path.unlink()


def note_of(path: Path) -> Path:
    """The file beside a journal that says what it was made of."""
    return path.with_name(path.name + ".json")


def _differing(note: Path, made_of: Mapping[str, Any]) -> list[str]:
    try:
        before = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:  # killed while it was written: nothing was predicted yet
        return []
    return [name for name in made_of if before.get(name) != made_of[name]]


def _continue(journal: Journal) -> None:
    """Read what is there, and drop what a kill or a full disk left incomplete."""
    journal.file.seek(0)
    kept = 0
    for line in journal.file:
        try:
            prediction = orjson.loads(line) if line.endswith(b"\n") else None
        except orjson.JSONDecodeError:
            break
        if prediction is None:
            break
        journal.counts.add(prediction)
        kept += len(line)
    journal.file.truncate(kept)
    journal.file.seek(kept)
