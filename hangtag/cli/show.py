"""Tags as tables and as JSON."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.table import Table
from rich.text import Text

from hangtag.v1 import tags_pb2

_STYLES = {"AUTO": "green", "REVIEW": "yellow"}
NO_TAGS: dict[int, str] = {
    tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE: "no tag is sure enough to be used",
    tags_pb2.NO_TAGS_REASON_FILTERED: "no tag of those that you ask for",
    tags_pb2.NO_TAGS_REASON_LANGUAGE_NOT_SUPPORTED: "the model does not know this language",
    tags_pb2.NO_TAGS_REASON_OFF_TOPIC: "not about a product",
    tags_pb2.NO_TAGS_REASON_TOO_SHORT: "no word for a thing",
}
_Tagged = tags_pb2.GetProductTagsResponse | tags_pb2.SuggestTagsResponse


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
        _add(table, name, _tag_rows(product, _without_tags(state)))
    return table


def suggestions_table(answers: Iterable[tuple[str, tags_pb2.SuggestTagsResponse]]) -> Table:
    """Texts with their tags and the words that support these; a word that names its tag is bold."""
    table = Table("text", "facet", "value", "confidence", "band", "supported by")
    for text, answer in answers:
        name = Text(text[:48])
        for note in _notes(answer):
            name.append(f"\n{note}", style="yellow")
        rows = _tag_rows(answer, "no tags")
        reasons = len(rows) - len(answer.tags) - len(answer.review)
        words = [Text("")] * reasons + [_supporting(tag) for tag in (*answer.tags, *answer.review)]
        _add(table, name, [(*row, its_words) for row, its_words in zip(rows, words, strict=True)])
    return table


def _notes(answer: tags_pb2.SuggestTagsResponse) -> Iterator[str]:
    """What a suggestion says about its text."""
    if answer.truncated_fields:
        yield f"not read completely: {', '.join(answer.truncated_fields)}"
    if answer.language:
        yield f"language: {answer.language}"
    if answer.understood_text:
        yield f"read as: {answer.understood_text[:48]}"
    if answer.none_of:
        yield f"none of: {', '.join(f'{tag.facet}:{tag.value}' for tag in answer.none_of)}"
    for span in answer.spans:
        yield span_note(span)


def span_note(span: tags_pb2.Span) -> str:
    """A price, a size or a quantity."""
    return f"{tags_pb2.SpanKind.Name(span.kind).removeprefix('SPAN_KIND_').lower()}: {span.text}"


def _supporting(tag: tags_pb2.Tag) -> Text:
    words = Text(", ").join(Text(word) for word in tag.supported_by)
    if tag.is_named and tag.supported_by:
        words.stylize("bold", 0, len(tag.supported_by[0]))
    return words


def _add(table: Table, name: Text, rows: Sequence[tuple[Text, ...]]) -> None:
    # One row per product, with one line per tag in each cell, so that the name is beside the tags.
    table.add_row(name, *(Text("\n").join(column) for column in zip(*rows, strict=True)))
    table.add_section()


def _tag_rows(found: _Tagged, nothing: str) -> Sequence[tuple[Text, ...]]:
    """A row per tag; without a tag to use, a first row with the reason, or else `nothing`."""
    rows = []
    if not found.tags and (reason := NO_TAGS.get(found.no_tags_reason, "" if found.review else nothing)):
        rows.append((Text(""), Text(reason, style="dim"), Text(""), Text("")))
    for tag in (*found.tags, *found.review):
        band = tags_pb2.Band.Name(tag.band).removeprefix("BAND_")
        confidence = Text(f"{tag.confidence:.2f}")
        rows.append((Text(tag.facet), Text(tag.value), confidence, Text(band, style=_STYLES.get(band, ""))))
    return rows


def _without_tags(state: str) -> str:
    return {"PENDING": "received, not tagged yet", "UNKNOWN": "never received, or deleted"}.get(state, "no tags")
