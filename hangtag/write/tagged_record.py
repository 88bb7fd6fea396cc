"""Entries of the store as records of `products.tagged`, and back.

The headers hold what the store's own header holds, so that the topic alone is enough to rebuild the store, deletions
included.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from hangtag.records import Headers, Record, decode_tags
from hangtag.records.quoted import quoted
from hangtag.store import Entry, bundle_prefix
from hangtag.store.entry import NO_BUNDLE, NO_TEXT
from hangtag.telemetry import get_log
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.v1 import tags_pb2

_PREFIX = "hangtag."
_CONTENT_TYPE = ("content-type", b"application/x-protobuf")

# An int64 in decimal; `int` would also take spaces, underscores and digits of other scripts.
_NUMBER = re.compile("[0-9]{1,19}")

_log = get_log(__name__)


class TaggedRecordError(ValueError):
    """A record of `products.tagged` is not one that Hangtag wrote; the message says what is wrong with it."""


class TaggedRecord(NamedTuple):
    """What is produced for an entry. `value` is None for a deletion: a tombstone, which compaction removes at last."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def record_of(entry: Entry) -> TaggedRecord:
    """The record of an entry; the same entry gives the same record."""
    bundle = "" if entry.is_deletion else tags_pb2.ProductTags.FromString(entry.payload).bundle_version
    own = {
        "version": str(entry.version),
        "sequence": str(entry.sequence),
        "revision": str(entry.revision),
        "bundle_version": bundle,
        "text_hash": "" if entry.text_hash == NO_TEXT else entry.text_hash.hex(),
        "source": "SHOP" if entry.is_deletion else "HUMAN" if entry.revision else "MODEL",
    }
    headers = [(_PREFIX + name, text.encode()) for name, text in own.items()]
    if not entry.is_deletion:
        headers.append(_CONTENT_TYPE)
    return TaggedRecord(entry.product_id.encode(), entry.payload or None, headers)


def entries_of(records: Sequence[Record]) -> list[tuple[Entry, Record]]:
    """The entries of records, each with its record. Those that Hangtag did not write are logged and left out."""
    found = []
    for record in records:
        try:
            found.append((entry_of(record.key, record.value, record.headers), record))
        except TaggedRecordError as error:
            _log.warning("tagged_record_unreadable", offset=record.offset, message=str(error))
    return found


def entry_of(key: bytes | None, value: bytes | None, headers: Headers) -> Entry:
    """The entry of a record.

    A record with a value and without our headers (of a release before they existed) is read from its value alone.

    Raises:
        TaggedRecordError: the key or a header is missing or wrong, or the value is not a `ProductTags` message.
    """
    if len(key or b"") > MAX_ID_BYTES:
        msg = f"the record's key has {len(key or b'')} bytes, the maximum of a product id is {MAX_ID_BYTES}"
        raise TaggedRecordError(msg)
    own = {name.removeprefix(_PREFIX): text or b"" for name, text in headers if name.startswith(_PREFIX)}
    try:
        product_id = (key or b"").decode()
        fields = {name: (text or b"").decode() for name, text in own.items()}
        entry = _entry(product_id, value or b"", fields) if product_id else None
    except ValueError as error:
        msg = f"the record of key {quoted(key)} cannot be read: {error}"
        raise TaggedRecordError(msg) from error
    if entry is None:
        msg = f"the record has no key, or is a tombstone without the header {_PREFIX}version"
        raise TaggedRecordError(msg)
    return entry


def _entry(product_id: str, value: bytes, fields: dict[str, str]) -> Entry | None:
    if not value:
        return Entry.deletion(product_id, _number(fields["version"])) if "version" in fields else None
    product = decode_tags(value)
    if product.product_id != product_id:
        msg = f"its value is about the product {quoted(product.product_id)}"
        raise ValueError(msg)
    if "version" not in fields or not fields.get("bundle_version"):
        fields = {"version": str(product.version), "bundle_version": product.bundle_version} | fields
    version, bundle = _number(fields["version"]), fields["bundle_version"]
    if (version, bundle) != (product.version, product.bundle_version):
        msg = f"its headers and its value differ in version ({version} and {product.version}) or in bundle version"
        raise ValueError(msg)
    return Entry(
        product_id=product_id,
        version=version,
        payload=value,
        bundle_prefix=bundle_prefix(bundle) if bundle else NO_BUNDLE,
        sequence=_number(fields.get("sequence", "0")),
        revision=_number(fields.get("revision", "0")),
        text_hash=bytes.fromhex(fields.get("text_hash", "")) or NO_TEXT,
    )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        msg = f"{quoted(text)} is not a number from 0 to 2^63-1"
        raise ValueError(msg)
    return int(text)
