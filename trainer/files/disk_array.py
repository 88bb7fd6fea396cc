"""Arrays that are kept on disk: rows of numbers, of equal or of different lengths."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.files.temporary import Temporary

# Rows that are read at once.
AT_ONCE = 1 << 20
_BUFFER_ROWS = 4_096
_BUFFER_BYTES = 1 << 18

Places = NDArray[np.int64]


class DiskArray:
    """An array of shape (rows, `width`) in a temporary file, to which rows are appended."""

    def __init__(self, dtype: type[np.generic], width: int = 1) -> None:
        self._dtype = np.dtype(dtype)
        self._width = width
        self._bytes = self._dtype.itemsize * width
        self._file = Temporary()
        self._waiting: list[Any] = []
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._waiting)

    def append(self, row: Any) -> None:
        """Add a row: a number, or `width` numbers.

        Raises:
            TemporarySpaceError: the disk is full.
        """
        self._waiting.append(row)
        if len(self._waiting) >= _BUFFER_ROWS:
            self.flush()

    def extend(self, rows: NDArray[Any]) -> None:
        """Add rows, of shape (rows,) or (rows, width).

        Raises:
            TemporarySpaceError: the disk is full.
        """
        self._waiting.extend(rows.tolist())
        if len(self._waiting) >= _BUFFER_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits in memory."""
        rows = np.array(self._waiting, self._dtype).reshape(-1, self._width)
        self._file.write(rows.tobytes(), self._written * self._bytes)
        self._written += len(self._waiting)
        self._waiting.clear()

    def row(self, place: int) -> NDArray[Any]:
        """One row, of shape (width,)."""
        return np.frombuffer(self._file.read(self._bytes, place * self._bytes), self._dtype)

    def rows(self, places: Places) -> NDArray[Any]:
        """Some rows, of shape (places, width)."""
        found = np.empty((len(places), self._width), self._dtype)
        for at, place in enumerate(places.tolist()):
            found[at] = self.row(place)
        return found

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """All rows in order: the place of each block's first row, and the block, of shape (rows, width)."""
        self.flush()
        for start in range(0, self._written, AT_ONCE):
            count = min(AT_ONCE, self._written - start)
            block = self._file.read(count * self._bytes, start * self._bytes)
            yield start, np.frombuffer(block, self._dtype).reshape(count, self._width)


class RaggedDiskArray:
    """Arrays of one type and different lengths in a temporary file, to which arrays are appended."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._dtype = np.dtype(dtype)
        self._file = Temporary()
        self._ends = DiskArray(np.int64)
        self._ends.append(0)
        self._waiting: list[bytes] = []
        self._waiting_bytes = self._bytes = 0

    def append(self, numbers: NDArray[Any]) -> None:
        """Add an array.

        Raises:
            TemporarySpaceError: the disk is full.
        """
        content = np.ascontiguousarray(numbers, self._dtype).tobytes()
        self._bytes += len(content)
        self._ends.append(self._bytes)
        self._waiting.append(content)
        self._waiting_bytes += len(content)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits in memory."""
        content = b"".join(self._waiting)
        self._file.write(content, self._bytes - len(content))
        self._waiting.clear()
        self._waiting_bytes = 0
        self._ends.flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> NDArray[Any]:
        start, end = int(self._ends.row(place)[0]), int(self._ends.row(place + 1)[0])
        return np.frombuffer(self._file.read(end - start, start), self._dtype)
