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
    """A message as the proto3 JSON mapping has it, names as in the contract."""
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


def print_json(value: Any) -> None:
    """Indented JSON on standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def lookups_table(lookups: Iterable[tags_pb2.ProductLookup], titles: dict[str, str] | None = None) -> Table:
    """Products with their tags: facet, value, confidence, band. `titles` names the products that it has."""
    table = Table("product", "facet", "value", "confidence", "band")
    for lookup in lookups:
        name = Text(lookup.product_id)
        if titles and titles.get(lookup.product_id):
            name.append(f"\n{titles[lookup.product_id][:48]}", style="dim")
        state = tags_pb2.Freshness.Name(lookup.freshness)
        if state != "FRESH":
            name.append(f"\n{state}", style="yellow")
        rows = _tag_rows([*lookup.tags.tags, *lookup.tags.review])
        _add(table, name, rows or [(Text(""), Text(_nothing(state), style="dim"), Text(""), Text(""))])
    return table


def suggestion_table(text: str, answer: tags_pb2.SuggestTagsResponse) -> Table:
    """The tags of a text."""
    table = Table("text", "facet", "value", "confidence", "band")
    nothing = [(Text(""), Text("no tag is sure enough", style="dim"), Text(""), Text(""))]
    _add(table, Text(text[:48]), _tag_rows([*answer.tags, *answer.review]) or nothing)
    return table


def _add(table: Table, name: Text, rows: Sequence[tuple[Text, ...]]) -> None:
    # One row a product: its tags are lines within the cells, so that name and tags stand side by side.
    table.add_row(name, *(Text("\n").join(column) for column in zip(*rows, strict=True)))
    table.add_section()


def _tag_rows(tags: Iterable[tags_pb2.Tag]) -> Sequence[tuple[Text, ...]]:
    rows = []
    for tag in tags:
        band = tags_pb2.Band.Name(tag.band)
        confidence = Text(f"{tag.confidence:.2f}")
        rows.append((Text(tag.facet), Text(tag.value), confidence, Text(band, style=_STYLES.get(band, ""))))
    return rows


def _nothing(state: str) -> str:
    return {
        "FRESH": "no tag is sure enough",
        "PENDING": "seen, its tags are on their way",
        "UNKNOWN": "never seen, or deleted",
    }.get(state, "")
