"""Lines of a feed, and the demo's product feed."""

import gzip
import io
from pathlib import Path
from random import Random
from types import SimpleNamespace

import orjson
import pytest

from hangtag.cli.demo.answers import SHOWN
from hangtag.cli.errors import CommandError
from hangtag.cli.feed_lines import FeedError, LineError, demo_feed, event_of, open_feed, version_of
from hangtag.cli.publisher import _as_json
from hangtag.records.json_event import read_json
from hangtag.text.product_text import ProductText
from hangtag.v1 import events_pb2


def _feed() -> list[events_pb2.ProductEvent]:
    with open_feed(demo_feed()) as lines:
        return [event_of(line, 7) for line in lines]


def test_the_demo_feed_has_some_200_products() -> None:
    products = [event.product for event in _feed()]
    ids = [product.product_id for product in products]
    assert 190 <= len(products) <= 220
    assert len(set(ids)) == len(ids)
    assert set(SHOWN) <= set(ids)
    assert {"en", "de", "es", "zh"} <= {product.language for product in products}


def test_the_demo_feed_has_a_few_products_without_text() -> None:
    empty = [ProductText.of(p.title, p.description, p.merchant_category).is_empty for p in (e.product for e in _feed())]
    assert sum(empty) == 3
    assert not any(empty[:20])
    assert not empty[-1]


def test_a_line_may_be_only_a_product() -> None:
    line = b'{"product_id": 17, "title": "T", "description": null, "lang": "de", "price": 3.5}'
    event = event_of(line, 99)
    assert event.type == events_pb2.EVENT_TYPE_UPDATED
    assert event.product == events_pb2.Product(product_id="17", version=99, title="T", language="de")


def test_an_unknown_field_may_be_nested_deeply() -> None:
    line = b'{"product_id": "a", "title": "T", "extra": ' + b"[" * 300 + b"]" * 300 + b"}"
    assert event_of(line, 1).product == events_pb2.Product(product_id="a", version=1, title="T")


@pytest.mark.parametrize("name", ["product_id", "productId"])
@pytest.mark.parametrize(
    "own",
    [
        {"type": "shoe"},
        {"type": 3, "time": "yesterday", "event_id": 7},
        {"type": "CREATED", "time": None, "eventId": {}},
        {"product": "Shoe"},
        {"product": {"material": "wool"}},
    ],
)
def test_a_shops_own_fields_do_not_make_its_line_an_event(name: str, own: dict[str, object]) -> None:
    event = event_of(orjson.dumps({name: "a", "title": "T", "version": 3, **own}), 99)

    assert event == events_pb2.ProductEvent(
        type=events_pb2.EVENT_TYPE_UPDATED, product=events_pb2.Product(product_id="a", title="T", version=3)
    )


def test_an_event_may_have_other_fields() -> None:
    event = event_of(b'{"product_id": "row", "product": {"product_id": "a"}, "type": "DELETED"}', 5)
    assert (event.type, event.product.product_id) == (events_pb2.EVENT_TYPE_DELETED, "a")


@pytest.mark.parametrize(
    ("number", "product_id"), [("12345.0", "12345"), ("-3.0", "-3"), ("9007199254740992.0", "9007199254740992")]
)
def test_an_id_that_pandas_made_a_float_is_an_integer(number: str, product_id: str) -> None:
    assert event_of(b'{"product_id": %s}' % number.encode(), 1).product.product_id == product_id


@pytest.mark.parametrize("name", ["product_id", "productId"])
def test_a_line_may_be_an_event(name: str) -> None:
    value = {"type": "DELETED", "eventId": "e1", "product": {name: "a", "version": "12"}}
    event = event_of(orjson.dumps(value), 99)
    assert event.type == events_pb2.EVENT_TYPE_DELETED
    assert event.event_id == "e1"
    assert (event.product.product_id, event.product.version) == ("a", 12)


def test_the_time_of_an_event_replaces_a_missing_version() -> None:
    event = event_of(b'{"product": {"product_id": "a"}, "time": "1970-01-01T00:00:01.5Z"}', 99)
    assert event.product.version == 0
    assert version_of(event) == 1500


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b'"text"', "expected a JSON object, got str"),
        (b'{"title": "no id"}', "product_id must be"),
        (b'{"product_id": "", "title": "T"}', "product_id must be"),
        (orjson.dumps({"product_id": "x" * 257}), "product_id must be"),
        (b'{"product_id": "a", "title": 5}', "title"),
        (b'{"product_id": true}', "product_id"),
        (b'{"product": "a"}', "product must be an object"),
        (b'{"product_id": 1.5}', "product_id"),
        (b'{"product_id": 1e17}', "product_id"),
        (b'{"type": "DELETED", "product_id": "a", "version": 2}', "put product_id and version into an object named"),
        (b'{"product_id": "\xff"}', "not JSON"),
        (b'{"product_id": "a", "title": ' + b"[" * 300 + b"]" * 300 + b"}", "nested too deeply"),
    ],
)
def test_the_error_of_a_bad_line_has_the_reason(line: bytes, reason: str) -> None:
    with pytest.raises(LineError, match=reason):
        event_of(line, 1)


def test_a_published_event_is_read_back_unchanged() -> None:
    lines = [
        b'{"product_id": "a", "title": "T\\u00e9", "version": "9223372036854775807"}',
        b'{"event_id": "e", "type": "CREATED", "time": "2024-02-29T12:00:00Z", "product": {"product_id": "b"}}',
        b'{"type": "DELETED", "product": {"product_id": "c", "version": 3}}',
    ]
    for line in lines:
        event = event_of(line, 5)
        assert read_json(orjson.dumps(_as_json(event))) == event


@pytest.mark.parametrize("kind", ["plain", "gz", "stdin"])
def test_plain_compressed_and_standard_input_feeds_are_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ("feed.jsonl.gz" if kind == "gz" else "feed.jsonl")
    file.write_bytes(gzip.compress(b"1\n2\n") if kind == "gz" else b"1\n2\n")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b"1\n2\n"))))
    with open_feed("-" if kind == "stdin" else str(file)) as lines:
        assert list(lines) == [b"1\n", b"2\n"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["plain", "gz", "stdin"])
def test_a_feed_is_read_in_every_unicode_encoding_and_with_every_line_end(
    kind: str, encoding: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = end.join(['{"product_id": "Größe"}', '{"product_id": "b"}', ""]).encode(encoding)
    file = tmp_path / ("feed.jsonl.gz" if kind == "gz" else "feed.jsonl")
    file.write_bytes(gzip.compress(content) if kind == "gz" else content)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(content))))
    with open_feed("-" if kind == "stdin" else str(file)) as lines:
        assert [event_of(line, 1).product.product_id for line in lines] == ["Größe", "b"]


def test_bytes_that_are_not_utf_8_stay_in_their_line(tmp_path: Path) -> None:
    (tmp_path / "feed.jsonl").write_bytes(b"1\n\xff\n2\n")
    with open_feed(str(tmp_path / "feed.jsonl")) as lines:
        assert list(lines) == [b"1\n", b"\xff\n", b"2\n"]


def test_a_feed_that_ends_early_is_an_error_with_the_count(tmp_path: Path) -> None:
    random = Random(2)
    packed = gzip.compress(b"\n".join(b"%d" % random.getrandbits(200) for _ in range(5_000)))
    (tmp_path / "short.gz").write_bytes(packed[: len(packed) // 2])
    read = []
    with pytest.raises(FeedError) as raised, open_feed(str(tmp_path / "short.gz")) as lines:
        read.extend(lines)
    assert 1_000 < len(read) < 4_000
    assert f"short.gz: cannot be read on after {len(read):,} lines: " in str(raised.value)


def test_an_error_of_the_reader_is_not_one_of_the_feed(tmp_path: Path) -> None:
    (tmp_path / "feed.jsonl").write_bytes(b"1\n")
    with pytest.raises(TimeoutError), open_feed(str(tmp_path / "feed.jsonl")):
        raise TimeoutError


def test_a_missing_or_invalid_feed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.jsonl: No such file"), open_feed("nowhere.jsonl"):
        pass
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"not gzip")
    with pytest.raises(CommandError, match="Not a gzipped file"), open_feed(str(broken)) as lines:
        next(lines)


def test_a_damaged_feed_is_an_error(tmp_path: Path) -> None:
    random = Random(1)
    packed = bytearray(gzip.compress(b"\n".join(b"%d" % random.getrandbits(200) for _ in range(2_000))))
    packed[20:70] = b"\xff" * 50
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(packed)
    with pytest.raises(CommandError, match=r"damaged\.gz: .*expected JSONL"), open_feed(str(damaged)) as lines:
        list(lines)
