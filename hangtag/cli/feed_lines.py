"""Reading a product feed: files, and the event of each line."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from hangtag.cli.errors import CommandError
from hangtag.records import EventError
from hangtag.records.json_event import read_json
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.v1 import events_pb2

_PRODUCT_NAMES = frozenset(
    {
        *("product_id", "productId", "version", "title", "description", "merchant_category", "merchantCategory"),
        *("language", "lang"),
    }
)
_EVENT_NAMES = frozenset({"product", "event_id", "eventId", "type", "time"})


class LineError(ValueError):
    """The line is not a valid product or event; the message says why."""


@contextmanager
def open_feed(name: str) -> Iterator[BinaryIO]:
    """Open a JSONL file for reading; `-` is standard input, and a `.gz` file is decompressed.

    Raises:
        CommandError: the file cannot be read.
    """
    try:
        if name == "-":
            yield sys.stdin.buffer
        elif name.endswith(".gz"):
            with gzip.open(name, "rb") as file:
                yield cast("BinaryIO", file)
        else:
            with Path(name).open("rb") as file:
                yield file
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{name}: {getattr(error, 'strerror', None) or error}; expected JSONL with one product per line, or -"
        raise CommandError(msg) from error


def demo_feed() -> str:
    """Path of the demo's product feed."""
    return str(files("hangtag.cli").joinpath("feed/products.jsonl"))


def event_of(line: bytes, default_version: int) -> events_pb2.ProductEvent:
    """Parse one line: a ProductEvent in proto3 JSON, or only a product (with `lang` accepted for `language`).

    A product without a version gets `default_version`, unless the event has a time. Empty texts are accepted: the
    worker turns them into dead letters.

    Raises:
        LineError: the line is not JSON, a field has the wrong type, or the product id is missing or invalid.
    """
    try:
        value = orjson.loads(line)
    except ValueError as error:
        msg = f"not JSON: {error}"
        raise LineError(msg) from error
    if not isinstance(value, dict):
        msg = f"expected a JSON object, got {type(value).__name__}"
        raise LineError(msg)
    if _EVENT_NAMES.isdisjoint(value):
        line = _as_event(value)
    try:
        event = read_json(line)
    except EventError as error:
        raise LineError(str(error)) from error
    product = event.product
    if not 1 <= len(product.product_id.encode()) <= MAX_ID_BYTES:
        msg = f"product_id must be 1 to {MAX_ID_BYTES} bytes"
        raise LineError(msg)
    if not product.version and not event.HasField("time"):
        product.version = default_version
    return event


def version_of(event: events_pb2.ProductEvent) -> int:
    """The version of the event: the product's, or the event's time in milliseconds."""
    return event.product.version or event.time.ToMilliseconds()


def _as_event(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps({"type": "UPDATED", "product": _product_fields(value)})
    except TypeError as error:
        # orjson parses deeper nesting than it serialises.
        msg = "a field is nested too deeply; texts must be strings"
        raise LineError(msg) from error


def _product_fields(value: dict[str, Any]) -> dict[str, Any]:
    product = {name: value[name] for name in _PRODUCT_NAMES & value.keys()}
    if "language" not in product and isinstance(product.get("lang"), str):
        product["language"] = product["lang"]
    for name in ("product_id", "productId"):
        if isinstance(product.get(name), int) and not isinstance(product[name], bool):
            product[name] = str(product[name])  # some shops use numbers as ids
    return product
