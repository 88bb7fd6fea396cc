"""Tags as tables and as JSON."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.table import Table
from rich.text import Text

from hangtag.v1 import tags_pb2

_STYLES = {"AUTO": "green", "REVIEW": "yellow"}


def as_dict(message: Message) -> dict[str, Any]:
    """A message in the proto3 JSON mapping, with the field names of the contract."""
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


def print_json(value: Any) -> None:
    """Print indented JSON to standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def products_table(products: Iterable[tags_pb2.GetProductTagsResponse], titles: dict[str, str] | None = None) -> Table:
    """Products with their tags: facet, value, confidence, band. `titles`: titles to show, by product id."""
    table = Table("product", "facet", "value", "confidence", "band")
    for product in products:
        name = Text(product.product_id)
        if titles and titles.get(product.product_id):
            name.append(f"\n{titles[product.product_id][:48]}", style="dim")
        state = tags_pb2.Freshness.Name(product.freshness).removeprefix("FRESHNESS_")
        if state != "FRESH":
            name.append(f"\n{state}", style="yellow")
        rows = _tag_rows([*product.tags, *product.review])
        _add(table, name, rows or [(Text(""), Text(_nothing(state), style="dim"), Text(""), Text(""))])
    return table


def suggestion_table(text: str, answer: tags_pb2.SuggestTagsResponse) -> Table:
    """The tags of a text."""
    table = Table("text", "facet", "value", "confidence", "band")
    nothing = [(Text(""), Text("no tag with enough confidence", style="dim"), Text(""), Text(""))]
    _add(table, Text(text[:48]), _tag_rows([*answer.tags, *answer.review]) or nothing)
    return table


def _add(table: Table, name: Text, rows: Sequence[tuple[Text, ...]]) -> None:
    # One row per product, with one line per tag in each cell, so that the name is beside the tags.
    table.add_row(name, *(Text("\n").join(column) for column in zip(*rows, strict=True)))
    table.add_section()


def _tag_rows(tags: Iterable[tags_pb2.Tag]) -> Sequence[tuple[Text, ...]]:
    rows = []
    for tag in tags:
        band = tags_pb2.Band.Name(tag.band).removeprefix("BAND_")
        confidence = Text(f"{tag.confidence:.2f}")
        rows.append((Text(tag.facet), Text(tag.value), confidence, Text(band, style=_STYLES.get(band, ""))))
    return rows


def _nothing(state: str) -> str:
    return {
        "FRESH": "no tag with enough confidence",
        "PENDING": "received, not tagged yet",
        "UNKNOWN": "never received, or deleted",
    }.get(state, "")
