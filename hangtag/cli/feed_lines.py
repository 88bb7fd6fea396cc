"""Reading a product feed: files, and the event of each line."""

import gzip
import io
import re
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from hangtag.cli.errors import CommandError
from hangtag.records import EventError
from hangtag.records.json_event import read_json
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.trainer.data.encodings import unicode_encoding
from hangtag.v1 import events_pb2

_PRODUCT_NAMES = frozenset(
    {
        *("product_id", "productId", "version", "title", "description", "merchant_category", "merchantCategory"),
        *("language", "lang"),
    }
)
# Taken where they are what an event may have; a shop may use the same names for something else.
_STRINGS = frozenset({"shop_id", "shopId", "url"})
_STRING_LISTS = frozenset({"image_urls", "imageUrls"})
_PRICE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ([A-Z]{3})")
_ID_NAMES = frozenset({"product_id", "productId"})
# Beyond it not every integer is a float.
_MAX_EXACT = 2**53
_DELETIONS = frozenset({"DELETED", "EVENT_TYPE_DELETED"})
_EXPECTED = "expected JSONL with one product per line, or -"


class LineError(ValueError):
    """The line is not a valid product or event; the message says why."""


class FeedError(CommandError):
    """The feed cannot be read on; the message says where and why."""


@contextmanager
def open_feed(name: str) -> Iterator[Iterator[bytes]]:
    """Open a JSONL file, whose lines are returned as UTF-8; `-` is standard input, and a `.gz` file is decompressed.

    Lines end with LF, CR LF or CR. Other encodings of Unicode are recognised by a byte order mark or zero bytes.

    Raises:
        CommandError: the file cannot be opened.
        FeedError: the file cannot be read on; raised by the next line.
    """
    with ExitStack() as stack:
        try:
            file: Any
            if name == "-":
                file = sys.stdin.buffer
            elif name.endswith(".gz"):
                file = stack.enter_context(gzip.open(name))
            else:
                file = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            msg = f"{name}: {error.strerror}; {_EXPECTED}"
            raise CommandError(msg) from error
        yield stack.enter_context(closing(_lines(name, file)))


def _lines(name: str, file: io.BufferedReader) -> Generator[bytes, None, None]:
    number = 0
    text: io.TextIOWrapper | None = None
    try:
        text = io.TextIOWrapper(file, unicode_encoding(file.peek(1)), "surrogateescape", newline="")
        for line in text:
            number += 1
            yield line.encode("utf-8", "surrogateescape")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        after = f" after {number:,} lines" if number else ""
        msg = f"{name}: cannot be read on{after}: {getattr(error, 'strerror', None) or error}; {_EXPECTED}"
        raise FeedError(msg) from error
    finally:
        if text is not None:
            text.detach()  # it may be standard input, which stays open


def demo_feed() -> str:
    """Path of the demo's product feed."""
    return str(files("hangtag.cli").joinpath("feed/products.jsonl"))


def event_of(line: bytes, default_version: int) -> events_pb2.ProductEvent:
    """Parse one line: a ProductEvent in proto3 JSON, or only a product (with `lang` accepted for `language`).

    An event has a `product` with the id; a line that has the id itself is a product, whatever other fields it has. A
    product without a version gets `default_version`, unless the event has a time. Empty texts are accepted: the
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
    if not _is_event(value):
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


def _is_event(value: dict[str, Any]) -> bool:
    """A shop's own fields may be named `type`, `time`, `event_id` or `product`, so they alone do not make an event."""
    product = value.get("product")
    if isinstance(product, dict) and not _ID_NAMES.isdisjoint(product):
        return True
    return "product" in value and _ID_NAMES.isdisjoint(value)


def _as_event(value: dict[str, Any]) -> bytes:
    kind = value.get("type")
    if isinstance(kind, str) and kind in _DELETIONS:
        msg = "a product of type DELETED: to delete it, put product_id and version into an object named product"
        raise LineError(msg)
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
    for name in _ID_NAMES & product.keys():
        number = product[name]
        # Some shops use numbers as ids, and pandas makes floats of them.
        if isinstance(number, float) and number.is_integer() and abs(number) <= _MAX_EXACT:
            number = int(number)
        if isinstance(number, int) and not isinstance(number, bool):
            product[name] = str(number)
    return product | _shop_fields(value)


def _shop_fields(value: dict[str, Any]) -> dict[str, Any]:
    found = {name: value[name] for name in _STRINGS & value.keys() if isinstance(value[name], str)}
    for name in _STRING_LISTS & value.keys():
        if isinstance(value[name], list) and all(isinstance(each, str) for each in value[name]):
            found[name] = value[name]
    price = value.get("price")
    if isinstance(price, dict) and price.keys() == {"currency", "amount"}:
        found["price"] = price
    elif isinstance(price, str) and (amount := _PRICE.fullmatch(price)):
        found["price"] = {"amount": amount[1], "currency": amount[2]}
    attributes = value.get("attributes")
    if isinstance(attributes, dict) and all(isinstance(each, str) for each in attributes.values()):
        found["attributes"] = attributes
    return found
