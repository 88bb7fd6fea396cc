"""Rows of labelled files, kept on disk while a command works on them."""

from pathlib import Path
from typing import Any

from hangtag.trainer.data.labelled import LabelledProduct, LabelledRow, Reading
from hangtag.trainer.data.row import BadRow
from hangtag.trainer.files.disk_list import DiskList


def reading_on_disk() -> Reading:
    """An empty reading, whose rows are kept in temporary files.

    In a row's other fields, values that JSON lacks, such as dates, become text, as they do in a file of JSON lines.
    """
    files = _Files()
    return Reading(
        good=DiskList(lambda row: _row_to_json(row, files), lambda cells: _row_of_json(cells, files)),
        bad=DiskList(
            lambda bad: (files.number(bad.file), bad.line, bad.reason, bad.content),
            lambda cells: BadRow(files.path(cells[0]), *cells[1:]),
        ),
    )


class _Files:
    """The numbers of files."""

    def __init__(self) -> None:
        self._numbers: dict[Path, int] = {}
        self._paths: list[Path] = []

    def number(self, path: Path) -> int:
        if path not in self._numbers:
            self._numbers[path] = len(self._paths)
            self._paths.append(path)
        return self._numbers[path]

    def path(self, number: int) -> Path:
        return self._paths[number]


def product_to_json(product: LabelledProduct) -> tuple[Any, ...]:
    """A product as JSON can hold it."""
    texts = (product.product_id, product.title, product.description, product.merchant_category, product.shop)
    # In order, so that equal products are equal as JSON too.
    return (texts, sorted(product.facets), sorted(product.tags), sorted(product.confirmed))


def product_of_json(cells: Any) -> LabelledProduct:
    """The product that `product_to_json` was given."""
    (product_id, title, description, category, shop), facets, tags, confirmed = cells
    return LabelledProduct(
        product_id, title, description, category, frozenset(facets), frozenset(tags), shop, frozenset(confirmed)
    )


def _row_to_json(row: LabelledRow, files: _Files) -> tuple[Any, ...]:
    return (files.number(row.file), row.line, product_to_json(row.product), row.others)


def _row_of_json(cells: Any, files: _Files) -> LabelledRow:
    number, line, product, others = cells
    return LabelledRow(files.path(number), line, product_of_json(product), others)
