"""Cases as files that people work with: JSON lines, CSV, and tasks of Label Studio."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from hangtag.tags.tag import value_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.judging.label_noise import Suspicion
from hangtag.trainer.mistakes.case import Case
from hangtag.words.language import likeliest_language

_COLUMNS = (
    "product_id",
    "facet",
    "kind",
    "band",
    "confidence",
    "labels",
    "predicted",
    "candidates",
    "title",
    "description",
    "merchant_category",
    "shop",
    "language",
    "source",
    # For the person: values separated by |, or none.
    "verdict",
)
SUFFIXES = (".jsonl", ".csv", ".json")


class ExportError(TrainerError):
    """A file cannot be written in the format that its name asks for."""


def check_export(path: Path) -> None:
    """Check before the work that the format is known.

    Raises:
        ExportError: the suffix names none.
    """
    if path.suffix.lower() not in SUFFIXES:
        msg = f"{path}: name a file that ends in .jsonl, .csv, or .json for Label Studio"
        raise ExportError(msg)


def write_cases(cases: Sequence[Case], path: Path) -> None:
    """Write the cases; see `write_rows`."""
    write_rows([row_of(case) for case in cases], path)


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows of `row_of`: `.jsonl` one object a line, `.csv` a table, `.json` tasks for Label Studio's import.

    Raises:
        ExportError: the suffix names no format.
        OSError: the file cannot be written.
    """
    check_export(path)
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        write_text(path, "".join(orjson.dumps(row).decode() + "\n" for row in rows))
    elif suffix == ".csv":
        write_text(path, _table(rows))
    else:
        write_text(path, orjson.dumps([_task(row) for row in rows], option=orjson.OPT_INDENT_2).decode())


def row_of(case: Case) -> dict[str, Any]:
    """Plain values of a case."""
    return {
        "product_id": case.product.product_id,
        "facet": case.facet,
        "kind": case.kind.value,
        "band": case.band.value,
        "confidence": round(case.confidence, 4),
        "labels": [value_of(tag) for tag in case.labels],
        "predicted": [value_of(tag) for tag in case.predicted],
        "candidates": [
            {"value": value_of(each.tag), "confidence": round(each.confidence, 4), "band": each.band.value}
            for each in case.candidates
        ],
        **_about(case.product),
        "language": case.language,
        "source": case.source,
    }


def row_of_suspicion(found: Suspicion, product: LabelledProduct, source: str) -> dict[str, Any]:
    """Plain values of a label that is probably wrong, like those of a case; `source` is the name of its file."""
    tags = {found.suggested: found.suggested_score, found.given: found.score}
    return {
        "product_id": product.product_id,
        "facet": found.facet,
        "kind": "label probably wrong",
        "band": "",
        "confidence": round(found.suggested_score, 4),
        "labels": [value_of(tag) for tag in sorted(product.tags_of(found.facet))],
        "predicted": [value_of(found.suggested)] if found.suggested else [],
        "candidates": [
            {"value": value_of(tag), "confidence": round(score, 4), "band": ""} for tag, score in tags.items() if tag
        ],
        **_about(product),
        "language": likeliest_language(f"{product.title} {product.description}"),
        "source": source,
    }


def _about(product: LabelledProduct) -> dict[str, str]:
    return {
        "title": product.title,
        "description": product.description,
        "merchant_category": product.merchant_category,
        "shop": product.shop,
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        cells = {
            **row,
            "labels": "|".join(row["labels"]),
            "predicted": "|".join(row["predicted"]),
            "candidates": "|".join(f"{each['value']} {each['confidence']}" for each in row["candidates"]),
            "verdict": "",
        }
        writer.writerow([cells[name] for name in _COLUMNS])
    return file.getvalue()


def _task(row: Mapping[str, Any]) -> dict[str, Any]:
    """A task with the predicted values already chosen.

    The names fit a labelling configuration with `<Choices name="tags" toName="title">`. See Label Studio's "Import
    pre-annotated data".
    """
    text = {name: row[name] for name in ("title", "description", "merchant_category")}
    about = {name: row[name] for name in ("product_id", "facet", "kind", "shop", "language", "source", "labels")}
    values = [each["value"] for each in row["candidates"]]
    choices = list(dict.fromkeys([*row["predicted"], *row["labels"], *values]))
    choice = {
        "from_name": "tags",
        "to_name": "title",
        "type": "choices",
        "value": {"choices": row["predicted"]},
    }
    choosable = [{"value": value} for value in choices]
    return {
        "data": {**text, **about, "choices": choosable},
        "predictions": [{"score": row["confidence"], "result": [choice]}],
    }
