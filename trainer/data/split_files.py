"""The files of a split, written completely before an earlier split's files are removed."""

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
        names = _write_parts(folder, _contents(rows, split, report, refused, zipped=zipped))
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
    lines = b"".join(map(_line, rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        path, lambda part: part.write_bytes(gzip.compress(lines, mtime=0) if path.suffix == ".gz" else lines)
    )


def _earlier(folder: Path) -> list[Path]:
    paths = (folder / f"{name}.jsonl{zipped}" for name in _FILES for zipped in ("", ".gz"))
    return [path for path in paths if path.exists()]


def _contents(
    rows: Sequence[LabelledRow], split: Split, report: dict[str, Any], refused: Sequence[BadRow], *, zipped: bool
) -> Iterator[tuple[str, bytes]]:
    """Names and contents. The report comes first: it marks the folder as a split's if writing is interrupted."""
    yield _REPORT, (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    parts = {part: (_line(rows[at]) for at in places) for part, places in split.parts.items()}
    left_out = {"refused": map(_refused_line, refused)} if refused else {}
    for part, its_lines in {**parts, **left_out}.items():
        lines = b"".join(its_lines)
        yield (f"{part}.jsonl.gz", gzip.compress(lines, mtime=0)) if zipped else (f"{part}.jsonl", lines)


def _write_parts(folder: Path, contents: Iterable[tuple[str, bytes]]) -> list[str]:
    """Write all contents under their unfinished names; if one fails, remove them all."""
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
