"""What people decided about labels: exports of Label Studio, and tables with a verdict in each row."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hangtag.tags.schema import TAG_PATTERN
from hangtag.trainer.data.row import LabelledFileError

# In a table: none of the facet's tags fits.
NONE = "none"
_COLUMNS = ("product_id", "facet", "verdict")
_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The tags of one facet that a person gave a product; no tags: none of them fits."""

    product_id: str
    facet: str
    tags: frozenset[str]


def read_verdicts(path: Path) -> list[Verdict]:
    """Read verdicts, in the file's order.

    `.json` is an export of Label Studio (JSON or JSON-MIN) of tasks that `hangtag errors --export` wrote; of several
    annotations of a task the one that was changed last counts, and skipped tasks have no verdict. `.csv` has the
    columns `product_id`, `facet` and `verdict`: values separated by `|`, `none` if no tag fits, empty if nothing was
    decided.

    Raises:
        LabelledFileError: the file is missing or is neither, or an entry is not a verdict; the message says which.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise LabelledFileError(msg) from error
    if path.suffix.lower() == ".csv":
        return list(_of_table(path, content))
    if path.suffix.lower() == ".json":
        return list(_of_label_studio(path, content))
    msg = f"{path}: name an export of Label Studio (.json) or a table with a column verdict (.csv)"
    raise LabelledFileError(msg)


def _of_table(path: Path, content: bytes) -> Iterator[Verdict]:
    try:
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines(keepends=True))
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            msg = f"{path}: missing columns: {', '.join(missing)}"
            raise LabelledFileError(msg)
        for row in rows:
            cell = (row["verdict"] or "").strip()
            if cell:
                values = [] if cell == NONE else [value.strip() for value in cell.split(_SEPARATOR)]
                yield _verdict(f"{path}, line {rows.line_num}", row["product_id"], row["facet"], values)
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: not a CSV file in UTF-8: {error}"
        raise LabelledFileError(msg) from error


def _of_label_studio(path: Path, content: bytes) -> Iterator[Verdict]:
    try:
        tasks = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        msg = f"{path}: not JSON: {error}"
        raise LabelledFileError(msg) from error
    if not isinstance(tasks, list):
        msg = f"{path}: is not a list of tasks: export from Label Studio as JSON or JSON-MIN"
        raise LabelledFileError(msg)
    for number, task in enumerate(tasks, 1):
        place = f"{path}, task {number}"
        if not isinstance(task, dict):
            msg = f"{place}: is not an object"
            raise LabelledFileError(msg)
        about = task.get("data", task)
        values = _chosen(place, task)
        if values is not None:
            yield _verdict(place, about.get("product_id"), about.get("facet"), values)


def _chosen(place: str, task: Mapping[str, Any]) -> Sequence[Any] | None:
    """The values chosen in a task; None if nobody decided."""
    if "data" not in task:  # JSON-MIN
        return _listed(task["tags"]) if "tags" in task else None
    annotations = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
    if not annotations:
        return None
    last = max(annotations, key=lambda each: str(each.get("updated_at", "")))
    results = [each for each in last.get("result", []) if each.get("from_name") == "tags"]
    if any(each.get("type") != "choices" for each in results):
        msg = f"{place}: tags are not choices: use the labelling configuration of the documentation"
        raise LabelledFileError(msg)
    return [value for each in results for value in each.get("value", {}).get("choices", [])]


def _listed(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        value = value.get("choices", [])
    return value if isinstance(value, list) else [value]


def _verdict(place: str, product_id: Any, facet: Any, values: Sequence[Any]) -> Verdict:
    if not isinstance(product_id, str) or not product_id or not isinstance(facet, str):
        msg = f"{place}: product_id or facet is missing: they come with what `hangtag errors --export` writes"
        raise LabelledFileError(msg)
    tags = [f"{facet}:{value}" for value in values]
    if wrong := [tag for tag in tags if not TAG_PATTERN.fullmatch(tag)]:
        msg = f"{place}: {wrong[0][:80]!r} is not a tag"
        raise LabelledFileError(msg)
    return Verdict(product_id, facet, frozenset(tags))
