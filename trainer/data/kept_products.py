"""The products of labelled files, kept from one command to the next."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hangtag.trainer.data.labelled import LabelledFileError, LabelledProduct, read_labelled, read_rows, warn
from hangtag.trainer.data.row import BadRow
from hangtag.trainer.data.rows_on_disk import product_of_json, product_to_json
from hangtag.trainer.files.cache import Cache, key_of
from hangtag.trainer.recipe.columns import Columns

# Raise it when files are read in another way.
_FORMAT = 1
_PRODUCTS, _NOTES = "products.jsonl", "notes.json"
_BLOCK_BYTES = 1 << 20


def kept_products(
    paths: Iterable[Path], columns: Columns, bad: list[BadRow] | None, cache: Cache | None
) -> list[LabelledProduct]:
    """As `read_labelled`; a file without bad rows is read only once, as long as its content and mapping are the same.

    Raises:
        LabelledFileError: a file is missing, or has a bad row and there is no list `bad` to add it to.
    """
    if cache is None or bad is None:
        return read_labelled(paths, columns, bad)
    return [product for path in paths for product in _of_file(path, columns, bad, cache)]


def file_hash(path: Path) -> str:
    """The SHA-256 (hex) of a file's content.

    Raises:
        LabelledFileError: it cannot be read.
    """
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise LabelledFileError(msg) from error
    return digest.hexdigest()


def _of_file(path: Path, columns: Columns, bad: list[BadRow], cache: Cache) -> list[LabelledProduct]:
    # Notes name the path, and its suffix gives the format.
    key = key_of("products", _FORMAT, file_hash(path), str(path), columns.model_dump(mode="json"))
    if entry := cache.find(key):
        with suppress(FileNotFoundError):  # another process has just removed it
            notes = json.loads((entry / _NOTES).read_text(encoding="utf-8"))
            with (entry / _PRODUCTS).open("rb") as lines:
                products = [product_of_json(json.loads(line)) for line in lines]
            warn(notes)
            return products
    reading = read_rows([path], columns)
    notes = [note for each in reading.files for note in each.notes]
    warn(notes)
    bad += list(reading.bad)
    products = [row.product for row in reading.good]
    if not reading.bad:
        cache.add(key, lambda folder: _write(folder, products, notes))
    return products


def _write(folder: Path, products: Iterable[LabelledProduct], notes: Sequence[str]) -> None:
    (folder / _NOTES).write_text(json.dumps(notes), encoding="utf-8")
    with (folder / _PRODUCTS).open("wb") as lines:
        lines.writelines(json.dumps(product_to_json(product)).encode() + b"\n" for product in products)
