"""The shops that products come from, in a file of their own."""

import csv
import gzip
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hangtag.trainer.data.labelled import LabelledFileError, LabelledProduct

_COLUMNS = ("product_id", "shop")


def read_shops(path: Path) -> dict[str, str]:
    """Read a CSV file (also `.gz`) with the columns `product_id` and `shop`: the shop of each product id.

    Raises:
        LabelledFileError: the file is missing, is not such a file, or lacks a column.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                msg = f"{path}: missing columns: {', '.join(missing)}"
                raise LabelledFileError(msg)
            return {row["product_id"]: row["shop"] or "" for row in rows}
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise LabelledFileError(msg) from error
    except (EOFError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: not a CSV file: {error}"
        raise LabelledFileError(msg) from error


def with_shops(products: Iterable[LabelledProduct], shops: dict[str, str]) -> list[LabelledProduct]:
    """The products with the shops that are known for their ids."""
    return [replace(product, shop=shops.get(product.product_id, product.shop)) for product in products]
