"""The files of a split, written completely before an earlier split's files are removed."""

import gzip
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self, cast

from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow
from hangtag.trainer.data.row import BadRow
from hangtag.trainer.data.split import Split
from hangtag.trainer.files.atomic_file import write_atomically

_FILES = ("train", "validation", "test", "refused")
_REPORT = "split.json"
_UNFINISHED = ".part"


def check_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """Check that a split into this folder replaces only an earlier split.

    Raises:
        LabelledFileError: it would replace an input, or files that were not written by a split.
    """
    names = {f"{name}.jsonl{zipped}" for name in _FILES for zipped in ("", ".gz")}
    taken = {folder / f"{name}{part}" for name in (*names, _REPORT) for part in ("", _UNFINISHED)}
    for path in inputs:
        if any(other.exists() and path.exists() and other.samefile(path) for other in taken):
            msg = f"{path} is an input and would be replaced by the split: choose another --out"
            raise LabelledFileError(msg)
    earlier = _earlier(folder)
    if earlier and not (folder / _REPORT).exists():
        msg = f"{earlier[0]} exists and was not written by a split: choose another --out"
        raise LabelledFileError(msg)


def write_split(
    folder: Path,
    rows: Sequence[LabelledRow],
    split: Split,
    *,
    zipped: bool,
    inputs: Iterable[Path] = (),
    refused: Sequence[BadRow] = (),
) -> dict[str, Any]:
    """Write `train`, `validation` and `test` as `.jsonl` or `.jsonl.gz`, and `split.json`, whose content is returned.

    An earlier split in the folder is replaced completely. `inputs` are the files that the rows come from. Rows that
    were left out are written to `refused`, each with its place, the reason and its content.

    Raises:
        LabelledFileError: the folder holds an input, or files of these names without a `split.json`, or it cannot be
            written.
    """
    check_folder(folder, inputs)
    report = {**split.report(rows), "refused": len(refused)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _Unfinished(folder, ".jsonl.gz" if zipped else ".jsonl") as files:
            files.write(_REPORT, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
            for name in split.names:
                files.open(name)
            for row, part in zip(rows, split.part_of, strict=True):
                files.add(split.names[part], _line(row))
            for bad in refused:
                files.add("refused", _refused_line(bad))
        names = files.names
        # If the process stops from here on, the files that have not been moved yet stay beside their targets.
        for name in names:
            (folder / f"{name}{_UNFINISHED}").replace(folder / name)
        for path in _earlier(folder):
            if path.name not in names:
                path.unlink()
    except OSError as error:
        msg = f"{folder}: the split cannot be written: {error.strerror}"
        raise LabelledFileError(msg) from error
    return report


def write_rows(path: Path, rows: Iterable[LabelledRow], inputs: Iterable[Path] = ()) -> None:
    """Write rows as JSON lines, `.jsonl` or `.jsonl.gz`, completely or not at all.

    Raises:
        LabelledFileError: the name ends in neither, or `path` is one of `inputs`.
        OSError: the file cannot be written.
    """
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        msg = f"{path}: name a file that ends in .jsonl or .jsonl.gz"
        raise LabelledFileError(msg)
    if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
        msg = f"{path} is an input and would be replaced: choose another --out"
        raise LabelledFileError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda part: _write_lines(part, map(_line, rows), zipped=path.suffix == ".gz"))


def _write_lines(path: Path, lines: Iterable[bytes], *, zipped: bool) -> None:
    with path.open("wb") as file:
        if zipped:
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                packed.writelines(lines)
        else:
            file.writelines(lines)


def _earlier(folder: Path) -> list[Path]:
    paths = (folder / f"{name}.jsonl{zipped}" for name in _FILES for zipped in ("", ".gz"))
    return [path for path in paths if path.exists()]


class _Unfinished:
    """The files of a split under their unfinished names, written row by row; if that fails, they are removed.

    `names` are the finished names. The report comes first: it marks the folder as a split's if moving is interrupted.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.names: list[str] = []
        self._folder = folder
        self._suffix = suffix
        self._stack = ExitStack()
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._stack.close()  # writes what is left, which can fail too
        except BaseException:
            self._remove()
            raise
        if kind is not None:
            self._remove()

    def write(self, name: str, text: str) -> None:
        """Write a complete file."""
        self._path(name).write_bytes(text.encode("utf-8", "replace"))

    def open(self, part: str) -> None:
        """Begin a file, which may stay empty."""
        file: IO[bytes] = self._stack.enter_context(self._path(f"{part}{self._suffix}").open("wb"))
        if self._suffix.endswith(".gz"):
            # Without a name and a time, so that the same rows make the same file.
            packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
            self._stack.callback(packed.close)
            file = cast(IO[bytes], packed)
        self._files[part] = file

    def add(self, part: str, line: bytes) -> None:
        """Add a line to a file."""
        if part not in self._files:
            self.open(part)
        self._files[part].write(line)

    def _path(self, name: str) -> Path:
        self.names.append(name)
        return self._folder / f"{name}{_UNFINISHED}"

    def _remove(self) -> None:
        for name in self.names:
            (self._folder / f"{name}{_UNFINISHED}").unlink(missing_ok=True)


def _line(row: LabelledRow) -> bytes:
    product = row.product
    own = {
        **{name: getattr(product, name) for name in ("product_id", "title", "description", "merchant_category")},
        "facets": sorted(product.facets),
        "tags": sorted(product.tags),
    }
    line = {**row.others, **own}
    try:
        text = _json(line)
    except ValueError:
        text = _json(_finite(line))
    return text.encode("utf-8", "replace") + b"\n"


def _refused_line(row: BadRow) -> bytes:
    line = {"file": str(row.file), "line": row.line, "reason": row.reason, "content": row.content.rstrip("\r\n")}
    return _json(line).encode("utf-8", "replace") + b"\n"


def _json(line: Mapping[str, Any]) -> str:
    """JSON, in which dates and decimals from a table's columns become text; NaN and infinity are a ValueError."""
    return json.dumps(line, ensure_ascii=False, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    """The value with null for every number that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
