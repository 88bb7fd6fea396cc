"""A list that is kept on disk, and external sorting into such a list."""

import heapq
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, overload

from hangtag.trainer.files.temporary import Temporary

T = TypeVar("T")

# Every so many items, the place of one in the file is kept in memory: half a byte an item.
_INDEXED = 16
_BUFFER_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 20
# Items that are sorted in memory.
_SORTED_AT_ONCE = 200_000


class DiskList(Sequence[T], Generic[T]):
    """A list in a temporary file, to which items are appended: one line of JSON each.

    `to_json` turns an item into what JSON can hold, `of_json` turns that into an equal item. Numbers may be NaN, and
    values that JSON lacks become text. Items are read one at a time, so that the memory needed does not grow with them.
    """

    def __init__(self, to_json: Callable[[T], Any] = lambda item: item, of_json: Callable[[Any], T] = tuple) -> None:  # type: ignore[assignment]
        self._to_json = to_json
        self._of_json = of_json
        self._file = Temporary()
        self._starts = array("q")
        self._count = self._bytes = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def append(self, item: T) -> None:
        """Add an item at the end.

        Raises:
            TemporarySpaceError: the disk is full.
        """
        line = json.dumps(self._to_json(item), default=str, separators=(",", ":")).encode() + b"\n"
        if not self._count % _INDEXED:
            self._starts.append(self._bytes)
        self._count += 1
        self._bytes += len(line)
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self._flush()

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end.

        Raises:
            TemporarySpaceError: the disk is full.
        """
        for item in items:
            self.append(item)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        self._flush()
        at, rest = 0, b""
        while block := self._file.read(_BLOCK_BYTES, at):
            at += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield self._of_json(json.loads(line))

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(self._count))]
        at = place + self._count if place < 0 else place
        if not 0 <= at < self._count:
            msg = f"place {place} of {self._count}"
            raise IndexError(msg)
        self._flush()
        number, before = divmod(at, _INDEXED)
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else self._bytes
        line = self._file.read(end - start, start).split(b"\n", before + 1)[before]
        return self._of_json(json.loads(line))

    def _flush(self) -> None:
        if self._waiting:
            content = b"".join(self._waiting)
            self._file.write(content, self._bytes - len(content))
            self._waiting.clear()
            self._waiting_bytes = 0


def sorted_on_disk(items: Iterable[T], key: Callable[[T], Any], empty: Callable[[], DiskList[T]]) -> DiskList[T]:
    """The items in the order of `key`, in a list that `empty` makes; equal ones keep their order.

    Raises:
        TemporarySpaceError: the disk is full.
    """
    rest = iter(items)
    runs = []
    while piece := sorted(islice(rest, _SORTED_AT_ONCE), key=key):
        run = empty()
        run.extend(piece)
        runs.append(run)
    if len(runs) == 1:
        return runs[0]
    result = empty()
    result.extend(heapq.merge(*runs, key=key))
    return result
