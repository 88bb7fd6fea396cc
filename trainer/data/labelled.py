"""Labelled products and how they are read from files, for training, `hangtag evaluate` and `hangtag data`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hangtag.tags.tag import facet_of
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.row_labels import RowError, labels_of, text_of
from hangtag.trainer.data.rows import BadRow, LabelledFileError, Row, rows_of
from hangtag.trainer.recipe.columns import Columns

__all__ = ["LabelledFileError", "LabelledProduct", "LabelledRow", "read_labelled", "read_rows", "with_tags"]

OWN_COLUMNS = Columns()


@dataclass(frozen=True, slots=True)
class LabelledProduct:
    """A product and its labels.

    `facets` are the labelled facets. A labelled facet without a tag means "none of its tags fits"; the tags of any
    other facet are unknown. `shop` is the shop that it comes from, empty if the file does not say.
    """

    product_id: str
    title: str
    description: str
    merchant_category: str
    facets: frozenset[str]
    tags: frozenset[str]
    shop: str = ""

    @property
    def text(self) -> ProductText:
        """The text that the encoder gets."""
        return ProductText.of(self.title, self.description, self.merchant_category)

    def tags_of(self, facet: str) -> frozenset[str]:
        """The product's tags in one facet."""
        return frozenset(tag for tag in self.tags if facet_of(tag) == facet)


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A product, its place in a file, and the row's other fields (a shop's name, a language)."""

    file: Path
    line: int
    product: LabelledProduct
    others: Mapping[str, Any]

    @property
    def place(self) -> dict[str, Any]:
        """The row's place, as JSON: file, line and product id."""
        return {"file": str(self.file), "line": self.line, "product_id": self.product.product_id}


def read_labelled(paths: Iterable[Path], columns: Columns = OWN_COLUMNS) -> list[LabelledProduct]:
    """Read JSONL, CSV or Parquet files (JSONL and CSV also gzipped, `.gz`), in the order given.

    Raises:
        LabelledFileError: a file is missing or a row is not a labelled product.
    """
    products = []
    for row in _labelled(paths, columns):
        if isinstance(row, BadRow):
            raise LabelledFileError(str(row))
        products.append(row.product)
    return products


def read_rows(paths: Iterable[Path], columns: Columns = OWN_COLUMNS) -> tuple[list[LabelledRow], list[BadRow]]:
    """Read such files and collect bad rows instead of failing; returns good rows and bad rows.

    Raises:
        LabelledFileError: a file is missing or is not of its kind, or a table lacks a column.
    """
    good, bad = [], []
    for row in _labelled(paths, columns):
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            good.append(row)
    return good, bad


def with_tags(product: LabelledProduct, tags: Iterable[str]) -> LabelledProduct:
    """Add tags, whose facets then count as labelled; tags of a facet that is already labelled are ignored."""
    new = frozenset(tag for tag in tags if facet_of(tag) not in product.facets)
    return replace(product, facets=product.facets | {facet_of(tag) for tag in new}, tags=product.tags | new)


def _labelled(paths: Iterable[Path], columns: Columns) -> Iterator[LabelledRow | BadRow]:
    for path in paths:
        for row in rows_of(path, columns):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield _labelled_row(row, columns)
            except RowError as error:
                yield BadRow(row.file, row.line, str(error))


def _labelled_row(row: Row, columns: Columns) -> LabelledRow:
    labels = (columns.facets, columns.tags) if columns.labelled and not columns.facet else ()
    needed = (columns.product_id, *labels)
    missing = [name for name in needed if name not in row.fields]
    if missing:
        msg = f"{', '.join(missing)} is missing"
        raise RowError(msg)
    product_id = row.fields[columns.product_id]
    if isinstance(product_id, int) and not isinstance(product_id, bool):
        product_id = str(product_id)
    if not text_of(product_id, columns.product_id):
        msg = f"{columns.product_id} is empty"
        raise RowError(msg)
    title, description, category = (
        text_of(row.fields.get(name), name) for name in (columns.title, columns.description, columns.merchant_category)
    )
    facets, tags = labels_of(row.fields, columns)
    shop = _shop_of(row.fields.get(columns.shop))
    product = LabelledProduct(product_id, title, description, category, facets, tags, shop)
    used = columns.used
    return LabelledRow(
        row.file, row.line, product, {name: value for name, value in row.fields.items() if name not in used}
    )


def _shop_of(cell: Any) -> str:
    """The shop's name or number; empty if the cell holds neither."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    return cell if isinstance(cell, str) else ""
