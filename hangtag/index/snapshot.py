"""The index as a file, so that a start need not read the whole topic again.

    8 bytes     magic
    4 bytes     length of the head, big-endian
    head        JSON: format, topic, offsets, time, tags, and for each array its name, type and length
    arrays      as they are in memory, little-endian
    32 bytes    BLAKE2b of everything before

What cannot be derived is stored: ids, ranks and tags. Postings are made again when the file is read.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from hangtag.index.errors import SnapshotError
from hangtag.index.ids import Ids
from hangtag.index.index import Index
from hangtag.index.rows import Rows
from hangtag.index.tag_numbers import TagNumbers

FORMAT = 2
# Format 1 had wider numbers.
_READABLE = (1, FORMAT)
_MAGIC = b"HTINDEX\n"
_LENGTH_BYTES = 4
_DIGEST_BYTES = 32
_MAX_HEAD = 256 * 1024 * 1024
_TYPES = frozenset({"uint8", "uint16", "uint32", "int64"})


@dataclass(frozen=True, slots=True)
class Place:
    """What a snapshot reflects.

    Attributes:
        topic: the id that the brokers gave the topic; another one after it was made again.
        offsets: the next offset of each partition, by its number.
        written_ms: when it was written, in ms since 1970.
    """

    topic: str
    offsets: Mapping[int, int]
    written_ms: int


def write_snapshot(path: Path, index: Index, place: Place) -> int:
    """Write the index, whole or not at all, and return the bytes. Nobody may change the index meanwhile.

    Raises:
        OSError: the file cannot be written; the one before is still there.
    """
    arrays = _arrays(index)
    layout = [(name, str(array.dtype), len(array)) for name, array in arrays.items()]
    offsets = {str(number): offset for number, offset in place.offsets.items()}
    head = orjson.dumps(
        {"format": FORMAT, **asdict(place), "offsets": offsets, "tags": index.tags.tags[1:], "arrays": layout}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with unfinished.open("wb") as file:
        parts: tuple[bytes | memoryview, ...] = (
            _MAGIC,
            len(head).to_bytes(_LENGTH_BYTES, "big"),
            head,
            *map(_bytes_of, arrays.values()),
        )
        for part in parts:
            digest.update(part)
            file.write(part)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    unfinished.replace(path)
    _sync_folder(path.parent)
    return size


def read_snapshot(path: Path) -> tuple[Index, Place] | None:
    """The index in a file, not built yet, and what it reflects. None if there is no such file.

    Raises:
        SnapshotError: the file cannot be read, is not complete, was changed, or is of another format.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except FileNotFoundError:
        return None
    except OSError as error:
        msg = f"it cannot be read: {error.strerror}"
        raise SnapshotError(msg) from error


def _read(file: IO[bytes], size: int) -> tuple[Index, Place]:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    start = file.read(len(_MAGIC) + _LENGTH_BYTES)
    if not start.startswith(_MAGIC) or len(start) < len(_MAGIC) + _LENGTH_BYTES:
        msg = "it is not a snapshot of an index"
        raise SnapshotError(msg)
    length = int.from_bytes(start[len(_MAGIC) :], "big")
    raw = file.read(min(length, _MAX_HEAD))
    digest.update(start)
    digest.update(raw)
    try:
        head = orjson.loads(raw)
        if head["format"] not in _READABLE:
            msg = f"it has format {head['format']}, this release reads {_READABLE[0]} to {FORMAT}"
            raise SnapshotError(msg)
        place = Place(head["topic"], {int(key): offset for key, offset in head["offsets"].items()}, head["written_ms"])
        layout = [(str(name), _type(dtype), int(count)) for name, dtype, count in head["arrays"]]
        tags = TagNumbers(head["tags"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, SnapshotError):
            raise
        msg = "its head cannot be read"
        raise SnapshotError(msg) from error
    expected = len(start) + len(raw) + sum(dtype.itemsize * count for _, dtype, count in layout) + _DIGEST_BYTES
    if size != expected:
        msg = f"it has {size} bytes, and says that it has {expected}"
        raise SnapshotError(msg)
    arrays = {}
    for name, dtype, count in layout:
        array = np.empty(count, dtype)
        file.readinto(_bytes_of(array))  # type: ignore[attr-defined] # a file that is buffered has it
        digest.update(_bytes_of(array))
        arrays[name] = array
    if file.read() != digest.digest():
        msg = "its checksum is wrong"
        raise SnapshotError(msg)
    return Index(Ids(arrays), tags, Rows(arrays)), place


def _arrays(index: Index) -> dict[str, NDArray[Any]]:
    return index.ids.columns | index.rows.columns


def _bytes_of(array: NDArray[Any]) -> memoryview:
    # An array without cells cannot be looked at as bytes.
    return array.data.cast("B") if len(array) else memoryview(bytearray())


def _type(name: str) -> np.dtype[Any]:
    if name not in _TYPES:
        raise ValueError(name)
    return np.dtype(name)


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file survive a loss of power."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
