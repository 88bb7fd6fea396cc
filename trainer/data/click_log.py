"""A shop's log of queries (or questions) and the products that people chose for them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hangtag.trainer.data.labelled import LabelledProduct, LabelledRow, Reading, read_rows
from hangtag.trainer.data.row import BadRow
from hangtag.trainer.recipe.columns import Columns


@dataclass(frozen=True, slots=True)
class Clicks:
    """What was chosen for one query: how often, by product id. `query` is as it was first written."""

    query: str
    products: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ClickLog:
    """A log by query, in the order of their first rows.

    `unknown` counts rows whose product has no labels, by id; `bad` are rows that cannot be used.
    """

    queries: list[Clicks] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)


def read_click_log(path: Path, query: str, product: str, count: str, known: Collection[str]) -> ClickLog:
    """Read a log of any format that labelled files have: one row for a query and a product that was chosen.

    `query`, `product` and `count` are its columns; the last one may be missing, and a row then counts once. Queries
    that differ only in capitals and spaces are one query. `known` are the ids of the labelled products.

    Raises:
        LabelledFileError: the file is missing or is not of its kind, or a table lacks a column.
    """
    reading: Reading = read_rows([path], Columns(product_id=product, title=query, labelled=False))
    log = ClickLog(bad=list(reading.bad))
    found: dict[str, dict[str, int]] = {}
    written: dict[str, str] = {}
    for row in reading.good:
        clicks = _count(row, count)
        text = " ".join(row.product.title.split())
        if isinstance(clicks, BadRow) or not text:
            log.bad.append(clicks if isinstance(clicks, BadRow) else _bad(row, f"{query} is empty"))
        elif row.product.product_id not in known:
            log.unknown[row.product.product_id] = log.unknown.get(row.product.product_id, 0) + 1
        else:
            key = text.casefold()
            written.setdefault(key, text)
            products = found.setdefault(key, {})
            products[row.product.product_id] = products.get(row.product.product_id, 0) + clicks
    log.queries.extend(Clicks(written[key], products) for key, products in found.items())
    return log


def by_id(products: Iterable[LabelledProduct]) -> dict[str, LabelledProduct]:
    """The products by id; of those that share an id, the last one."""
    return {product.product_id: product for product in products}


def _count(row: LabelledRow, column: str) -> int | BadRow:
    value = row.others.get(column, 1)
    try:
        clicks = int(str(value).strip() or 1)
    except ValueError:
        return _bad(row, f"{column} is {value!r}, not a whole number")
    return clicks if clicks > 0 else _bad(row, f"{column} is {clicks}, not above 0")


def _bad(row: LabelledRow, reason: str) -> BadRow:
    return BadRow(row.file, row.line, reason)
