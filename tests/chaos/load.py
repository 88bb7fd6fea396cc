"""The records of a run, all from one seed: versions out of order, deletions, garbage, codecs, transactions."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.text.product_text import ProductText
from hangtag.text.text_hash import text_hash
from hangtag.v1 import events_pb2

JSON, PROTOBUF = b"application/json", b"application/x-protobuf"
CODECS = (None, "gzip", "snappy", "lz4", "zstd")
COMPRESSING_WELL = ("gzip", "zstd")
# Above what Lua's numbers hold exactly, too.
_FIRST_VERSIONS = (1, 1_700_000_000_000, 2**53 - 1, 2**62)
_EVENTS_PER_PRODUCT = 5
_HOT, _DELETED, _GARBAGE, _TWICE, _LATE = 0.2, 0.02, 0.01, 0.02, 0.05
_TRANSACTIONS, _ABORTED = 0.3, 0.4
_TOO_LARGE_BYTES = 1_200_000
_COLORS = ("red", "blue", "green", "black", "white")
_THINGS = ("dress", "shoe", "scarf", "coat", "cat food", "space game", "lamp", "mug", "guitar", "tent")
_REST = ("for the garden", "with a belt", "of wool", "size 42", "gift box", "for children", "limited series")


@dataclass(frozen=True, slots=True)
class Planned:
    """One record to send, and what it is. `garbage` names what is wrong with it, empty if nothing is."""

    key: bytes | None
    value: bytes | None
    content_type: bytes
    product_id: str = ""
    version: int = 0
    is_deletion: bool = False
    text_hash: bytes = b""
    garbage: str = ""

    @property
    def rank(self) -> tuple[int, bool]:
        """Larger is newer."""
        return self.version, self.is_deletion


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are sent together. `is_committed` is None outside a transaction."""

    numbers: range
    codec: str | None
    is_committed: bool | None


@dataclass(frozen=True, slots=True)
class Load:
    """Everything that a run sends; a record's number is its place in `records`."""

    records: Sequence[Planned]
    batches: Sequence[Batch]

    @property
    def products(self) -> list[str]:
        """The ids of the products, in order."""
        return sorted({record.product_id for record in self.records if record.product_id})

    def deletions(self) -> dict[str, int]:
        """The highest deleted version of each product that is deleted outside aborted transactions."""
        found: dict[str, int] = {}
        for batch in self.batches:
            for number in batch.numbers if batch.is_committed is not False else ():
                record = self.records[number]
                if record.is_deletion:
                    found[record.product_id] = max(record.version, found.get(record.product_id, 0))
        return found


def make_load(events: int, seed: int, *, transactions: bool) -> Load:
    """Draw a load of so many events."""
    rng = random.Random(seed)
    records = _in_sending_order(_draw_events(events, rng), rng)
    batches: list[Batch] = []
    sent: list[Planned] = []
    while len(sent) < len(records):
        some = records[len(sent) : len(sent) + rng.randint(5, 80)]
        is_committed = rng.random() >= _ABORTED if transactions and rng.random() < _TRANSACTIONS else None
        is_large = any(record.garbage == "too large" for record in some)
        codec = rng.choice(COMPRESSING_WELL if is_large else CODECS)
        batches.append(Batch(range(len(sent), len(sent) + len(some)), codec, is_committed))
        sent += some
    return Load(sent, batches)


def _draw_events(count: int, rng: random.Random) -> list[Planned]:
    versions: dict[str, int] = {}
    products = [f"sku-{number}" for number in range(max(1, count // _EVENTS_PER_PRODUCT))]
    hot = products[: len(products) // 100 + 1]
    records: list[Planned] = []
    while len(records) < count:
        if rng.random() < _GARBAGE:
            records.append(_garbage(len(records), rng))
            continue
        product_id = rng.choice(hot if rng.random() < _HOT else products)
        known = versions.get(product_id)
        versions[product_id] = rng.choice(_FIRST_VERSIONS) if known is None else known + rng.randint(1, 3)
        records.append(_event(product_id, versions[product_id], rng))
        if rng.random() < _TWICE:
            records.append(records[-1])
    return records[:count]


def _in_sending_order(records: Sequence[Planned], rng: random.Random) -> list[Planned]:
    """Most records move by up to some tenths of the load from the order of their versions, some to anywhere."""
    count = len(records)
    places = [rng.uniform(0, count) if rng.random() < _LATE else at + rng.gauss(0, count / 10) for at in range(count)]
    return [records[at] for at in sorted(range(count), key=places.__getitem__)]


def _event(product_id: str, version: int, rng: random.Random) -> Planned:
    key = product_id.encode()
    protobuf = rng.random() < 0.5
    if rng.random() < _DELETED:
        value = _value(product_id, version, "", "", "DELETED", protobuf=protobuf)
        return Planned(key, value, _content_type(protobuf=protobuf), product_id, version, is_deletion=True)
    title = f"{rng.choice(_COLORS)} {rng.choice(_THINGS)} {version}"
    description = " ".join(rng.choices(_REST, k=rng.randint(0, 4)))
    value = _value(product_id, version, title, description, rng.choice(("CREATED", "UPDATED")), protobuf=protobuf)
    digest = text_hash(ProductText.of(title, description), "en")
    return Planned(key, value, _content_type(protobuf=protobuf), product_id, version, text_hash=digest)


def _content_type(*, protobuf: bool) -> bytes:
    return PROTOBUF if protobuf else JSON


def _value(product_id: str, version: int, title: str, description: str, kind: str, *, protobuf: bool) -> bytes:
    fields = {"product_id": product_id, "version": version, "title": title, "description": description}
    if protobuf:
        product = events_pb2.Product(**fields, language="en")
        return events_pb2.ProductEvent(type=f"EVENT_TYPE_{kind}", product=product).SerializeToString()
    return json.dumps({"type": kind, "product": {**fields, "language": "en"}}).encode()


def _garbage(number: int, rng: random.Random) -> Planned:
    product_id = f"garbage-{number}"
    key: bytes | None = product_id.encode()
    content_type = JSON
    what = rng.choice(("not json", "no text", "another key", "unknown type", "not protobuf", "too large", "no value"))
    value: bytes | None = _value(product_id, 1, "a mug", "", "UPDATED", protobuf=False)
    if what == "not json":
        key, value = None, b'{"product": {"product_id": "' + product_id.encode()
    elif what == "no text":
        value = _value(product_id, 1, "<p> </p>", "", "UPDATED", protobuf=False)
    elif what == "another key":
        key = f"other-{number}".encode()
    elif what == "unknown type":
        value = _value(product_id, 1, "a mug", "", "ARCHIVED", protobuf=False)
    elif what == "not protobuf":
        content_type, value = PROTOBUF, b"\xff\xff\xff" + product_id.encode()
    elif what == "too large":
        value = _value(product_id, 1, "mug " * (_TOO_LARGE_BYTES // 4), "", "UPDATED", protobuf=False)
    else:
        value = None
    return Planned(key, value, content_type, garbage=what)
