"""The newest entry of each product, collected on disk."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from hangtag.export.errors import ExportError
from hangtag.store import Entry

_FORMAT = 1
# A tombstone is kept in the topic for days. After a longer pause one may be gone that was not read.
_MAX_AGE_S = 86_400

_TABLES = """
CREATE TABLE IF NOT EXISTS products (
    id TEXT PRIMARY KEY, version INTEGER, is_deletion INTEGER, sequence INTEGER, revision INTEGER, payload BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (number INTEGER PRIMARY KEY, next_offset INTEGER);
CREATE TABLE IF NOT EXISTS source (topic_id TEXT, begun_at REAL);
"""
# Newer wins; of entries that are equal in all four, the later one counts.
_TAKE = """
INSERT INTO products VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    version = excluded.version, is_deletion = excluded.is_deletion, sequence = excluded.sequence,
    revision = excluded.revision, payload = excluded.payload
WHERE (excluded.version, excluded.is_deletion, excluded.sequence, excluded.revision)
    >= (version, is_deletion, sequence, revision)
"""


class NewestEntries:
    """A work file with the newest entry of each product and the offsets read so far; a context manager, for one thread.

    What a killed export has taken is found again by the next one with the same file and topic, for a day.

    Attributes:
        path: the work file. `discard` removes it.
        positions: the next offset to read of each partition; empty in a new file.

    Raises:
        ExportError: the file cannot be written, another export is using it, or it is not such a file.
    """

    def __init__(self, path: Path, topic_id: str) -> None:
        self.path = path
        try:
            # One statement at a time: a transaction is begun and ended here, not by the library.
            self._file = sqlite3.connect(path, isolation_level=None, timeout=0)
            with ExitStack() as stack:
                stack.callback(self._file.close)
                self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
                # The file may be lost with the machine, not with the process.
                self._file.execute("PRAGMA synchronous = OFF")
                self._file.execute("BEGIN EXCLUSIVE")
                self._open(topic_id)
                stack.pop_all()
        except sqlite3.Error as error:
            msg = f"{path}: {error}. Remove the file if no other export is writing it, or choose another name"
            raise ExportError(msg) from error

    def _open(self, topic_id: str) -> None:
        [found] = self._file.execute("PRAGMA user_version").fetchone()
        source = self._file.execute("SELECT topic_id, begun_at FROM source").fetchone() if found == _FORMAT else None
        is_usable = source is not None and source[0] == topic_id and 0 <= time.time() - source[1] < _MAX_AGE_S
        if not is_usable:
            for table in ("products", "positions", "source"):
                self._file.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                self._file.execute(statement)
            self._file.execute(f"PRAGMA user_version = {_FORMAT}")
            self._file.execute("INSERT INTO source VALUES (?, ?)", (topic_id, time.time()))
        self._file.execute("COMMIT")
        self.positions: dict[int, int] = dict(self._file.execute("SELECT number, next_offset FROM positions"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, entries: Sequence[Entry], positions: Mapping[int, int]) -> None:
        """Keep what is newer, and that everything below these offsets was read: both or neither.

        Raises:
            ExportError: the disk is full or fails.
        """
        rows = [(each.product_id, *each.rank, each.payload) for each in entries]
        try:
            self._file.execute("BEGIN")
            self._file.executemany(_TAKE, rows)
            self._file.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            msg = f"{self.path}: {error}"
            raise ExportError(msg) from error
        self.positions = dict(positions)

    def stored(self) -> Iterator[tuple[bytes, int, int]]:
        """Of each product that is not deleted, by id: the serialised `ProductTags`, the sequence and the revision."""
        yield from self._file.execute(
            "SELECT payload, sequence, revision FROM products WHERE NOT is_deletion ORDER BY id"
        )

    def count(self) -> int:
        """How many products are not deleted."""
        [count] = self._file.execute("SELECT count(*) FROM products WHERE NOT is_deletion").fetchone()
        return int(count)

    def close(self) -> None:
        """Leave the file for a later export."""
        self._file.close()

    def discard(self) -> None:
        """Close and remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)
