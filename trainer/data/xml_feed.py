"""The rows of an XML feed: RSS (Google Merchant, a WordPress export) or Atom (Shopify)."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.lines import Binary
from hangtag.trainer.data.row import MAX_ROW_BYTES, BadRow, EmptyRow, LabelledFileError, Row

_ITEMS = frozenset({"item", "entry"})


def xml_rows(path: Path, file: Binary, columns: FileColumns) -> Iterator[Row | BadRow | EmptyRow]:
    """Read every `item` or `entry`; a row's line is its number. A field's name is its element's, without namespace.

    Elements of the same name become a list, and those with elements of their own (shipping, variants) are left out.

    Raises:
        LabelledFileError: the file is not XML.
    """
    number = 0
    try:
        for _, element in iterparse(file):  # noqa: S314 (see the import)
            if _local(element.tag) not in _ITEMS:
                continue
            number += 1
            fields = _fields(element)
            element.clear()
            if number == 1:
                columns.see(path, list(fields), is_table=False)
            if sum(len(str(value)) for value in fields.values()) > MAX_ROW_BYTES:
                yield BadRow(path, number, f"longer than {MAX_ROW_BYTES} bytes")
            elif not fields:
                yield EmptyRow(path, number)
            else:
                yield columns.row(Row(path, number, fields))
    except ParseError as error:
        if number:
            yield BadRow(path, number + 1, f"not XML from here on: {error}; {number:,} items were read before")
            return
        msg = f"{path}: cannot be read as XML: {error}"
        raise LabelledFileError(msg) from error


def _fields(item: Element) -> dict[str, str | list[str]]:
    found: dict[str, list[str]] = {}
    for element in item:
        text = (element.text or "").strip()
        # XHTML in a description is a text; other elements with children are structures.
        if len(element) and element.get("type") != "xhtml":
            continue
        found.setdefault(_name(element), []).append("".join(element.itertext()).strip() if len(element) else text)
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()}


def _name(element: Element) -> str:
    """The field's name; WordPress names a category's kind in `domain`, and both texts `encoded`."""
    name = _local(element.tag)
    if name == "encoded":
        return element.tag.partition("}")[0].rstrip("/").rpartition("/")[2]
    return element.get("domain") or name if name == "category" else name


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
