"""The files of a split: written whole before any file of an earlier split goes."""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hangtag.trainer.data.labelled import LabelledFileError, LabelledRow
from hangtag.trainer.data.split import Split

_PARTS = ("train", "validation", "test")
_REPORT = "split.json"
_UNFINISHED = ".part"


def check_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """See that a split into this folder replaces nothing but an earlier split.

    Raises:
        LabelledFileError: it would replace one of the inputs, or files that no split wrote.
    """
    names = {f"{name}.jsonl{zipped}" for name in _PARTS for zipped in ("", ".gz")}
    taken = {folder / f"{name}{part}" for name in (*names, _REPORT) for part in ("", _UNFINISHED)}
    for path in inputs:
        if any(other.exists() and path.exists() and other.samefile(path) for other in taken):
            msg = f"{path} is read and would be replaced by the split: name another --out"
            raise LabelledFileError(msg)
    earlier = _earlier(folder)
    if earlier and not (folder / _REPORT).exists():
        msg = f"{earlier[0]} is there and was not written by a split: name another folder"
        raise LabelledFileError(msg)


def write_split(
    folder: Path, rows: Sequence[LabelledRow], done: Split, *, zipped: bool, inputs: Iterable[Path] = ()
) -> dict[str, Any]:
    """Write `train`, `validation` and `test` as `.jsonl` or `.jsonl.gz`, and `split.json`, the report it returns.

    An earlier split in the folder is replaced, all of it, so that no part of it stays beside this one. `inputs` are
    the files that the rows come from.

    Raises:
        LabelledFileError: the folder holds an input, or files of these names and no report of a split, or cannot be
            written.
    """
    check_folder(folder, inputs)
    report = done.report(rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = _write_parts(folder, _contents(rows, done, report, zipped=zipped))
        # Stopped from here on, what is not in its place yet stays beside it.
        for name in names:
            (folder / f"{name}{_UNFINISHED}").replace(folder / name)
        for path in _earlier(folder):
            if path.name not in names:
                path.unlink()
    except OSError as error:
        msg = f"{folder}: the split cannot be written: {error.strerror}"
        raise LabelledFileError(msg) from error
    return report


def _earlier(folder: Path) -> list[Path]:
    paths = (folder / f"{name}.jsonl{zipped}" for name in _PARTS for zipped in ("", ".gz"))
    return [path for path in paths if path.exists()]


def _contents(
    rows: Sequence[LabelledRow], done: Split, report: dict[str, Any], *, zipped: bool
) -> Iterator[tuple[str, bytes]]:
    """The report first: it marks the files beside it as a split's, so that what stops on the way can start again."""
    yield _REPORT, (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    for part, places in done.parts.items():
        lines = b"".join(_line(rows[at]) for at in places)
        yield (f"{part}.jsonl.gz", gzip.compress(lines, mtime=0)) if zipped else (f"{part}.jsonl", lines)


def _write_parts(folder: Path, contents: Iterable[tuple[str, bytes]]) -> list[str]:
    """Write each under its unfinished name; all of them, or none is left."""
    names: list[str] = []
    try:
        for name, content in contents:
            names.append(name)
            (folder / f"{name}{_UNFINISHED}").write_bytes(content)
    except BaseException:
        for name in names:
            (folder / f"{name}{_UNFINISHED}").unlink(missing_ok=True)
        raise
    return names


def _line(row: LabelledRow) -> bytes:
    product = row.product
    own = {
        **{name: getattr(product, name) for name in ("product_id", "title", "description", "merchant_category")},
        "facets": sorted(product.facets),
        "tags": sorted(product.tags),
    }
    # What a column of a table held (a date, a number of a kind that JSON lacks) becomes text.
    text = json.dumps({**row.others, **own}, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"
