"""The commands with real brokers and a real server process."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import grpc
import orjson
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.cli.topic import TopicReader
from hangtag.settings import KafkaSettings
from hangtag.v1 import events_pb2, tags_pb2, tags_pb2_grpc

_ROOT = Path(__file__).parents[2]
_ON_TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


class _Service(tags_pb2_grpc.TagServiceServicer):
    def BatchGetProductTags(  # noqa: N802 (the name in the contract)
        self, request: tags_pb2.BatchGetProductTagsRequest, context: grpc.ServicerContext
    ) -> tags_pb2.BatchGetProductTagsResponse:
        if len(request.product_ids) > 1_000:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many ids")
        value = "navy" + "".join(request.filter.facets) + str(request.filter.max_tags or "")
        tag = tags_pb2.Tag(
            facet="color", value=value, confidence=0.93, source=tags_pb2.SOURCE_MODEL, band=tags_pb2.BAND_AUTO
        )
        products = []
        for product_id in request.product_ids:
            found = tags_pb2.GetProductTagsResponse(
                product_id=product_id, version=1, tags=[tag], freshness=tags_pb2.FRESHNESS_STALE
            )
            unknown = tags_pb2.GetProductTagsResponse(product_id=product_id, freshness=tags_pb2.FRESHNESS_UNKNOWN)
            products.append(unknown if product_id.startswith("no") else found)
        return tags_pb2.BatchGetProductTagsResponse(products=products)

    def SuggestTags(  # noqa: N802 (the name in the contract)
        self, request: tags_pb2.SuggestTagsRequest, context: grpc.ServicerContext
    ) -> tags_pb2.SuggestTagsResponse:
        if request.text == "slow":
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        value = request.text + "".join(request.filter.facets) + str(request.filter.max_tags or "")
        tag = tags_pb2.Tag(facet="class", value=value, confidence=0.5, band=tags_pb2.BAND_REVIEW)
        reason = tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
        return tags_pb2.SuggestTagsResponse(review=[tag], no_tags_reason=reason)

    def BatchSuggestTags(  # noqa: N802 (the name in the contract)
        self, request: tags_pb2.BatchSuggestTagsRequest, context: grpc.ServicerContext
    ) -> tags_pb2.BatchSuggestTagsResponse:
        if len(request.texts) > 100:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many texts")
        for place, each in enumerate(request.texts):
            if each.text == "bad":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"texts[{place}].text is bad")
        return tags_pb2.BatchSuggestTagsResponse(
            suggestions=[self.SuggestTags(each, context) for each in request.texts]
        )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    tags_pb2_grpc.add_TagServiceServicer_to_server(_Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_tags_are_printed_as_table_and_json(address: str) -> None:
    table = _run("tags", "a", "nope", "--server", address)
    assert table.exit_code == 0
    assert all(text in table.output for text in ("STALE", "navy", "0.93", "AUTO", "nope", "never received"))
    found = orjson.loads(_run("tags", "a", "nope", "--server", address, "--json").stdout)
    assert [each["freshness"] for each in found] == ["FRESHNESS_STALE", "FRESHNESS_UNKNOWN"]
    assert found[0]["tags"][0]["value"] == "navy"
    assert _run("tags", "nope", "--server", address).exit_code == 1


def test_more_ids_than_one_call_accepts(address: str) -> None:
    ids = [f"p{number}" for number in range(2_300)]
    found = orjson.loads(_run("tags", *ids, "--server", address, "--json").stdout)
    assert [each["product_id"] for each in found] == ids


def test_suggest_prints_json_and_table_and_honours_the_timeout(address: str) -> None:
    result = _run("suggest", "boots", "--server", address, "--json")
    assert orjson.loads(result.stdout)["review"][0] == {
        "facet": "class",
        "value": "boots",
        "confidence": 0.5,
        "band": "BAND_REVIEW",
    }
    assert orjson.loads(result.stdout)["no_tags_reason"] == "NO_TAGS_REASON_LOW_CONFIDENCE"
    shown = _run("suggest", "boots", "--server", address).output
    assert "REVIEW" in shown
    assert "no tag is sure enough" in shown
    slow = _run("suggest", "slow", "--server", address, "--timeout", "0.5")
    assert isinstance(slow.exception, CommandError)
    assert "did not reply within 0.5 s" in str(slow.exception)


def test_several_texts_and_a_file_of_texts_are_answered_in_their_order(address: str, tmp_path: Path) -> None:
    def values(*arguments: str, **more: str) -> list[str]:
        result = CliRunner().invoke(app, ["suggest", *arguments, "--server", address, "--json"], **more)
        return [each["review"][0]["value"] for each in orjson.loads(result.stdout)]

    lines = [f"text {number}" for number in range(250)]
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(["", *lines, "  "]), encoding="utf-8")

    assert values("boots", "gr\u00fcne T\u00fcr") == ["boots", "gr\u00fcne T\u00fcr"]
    assert values("--file", str(file)) == lines
    assert values("--file", "-", input="one\n\ntwo\n") == ["one", "two"]
    assert values("--file", "-", "--facet", "color", "--max-tags", "3", input="one ") == ["onecolor3"]


def test_an_error_of_one_of_many_texts_says_which_call_it_was(address: str, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("good\n" * 120 + "bad\n", encoding="utf-8")

    failed = _run("suggest", "--file", str(file), "--server", address)

    assert isinstance(failed.exception, CommandError)
    assert str(failed.exception).startswith("texts 101 to 121: the server at ")
    assert "texts[20].text is bad" in str(failed.exception)


def test_texts_that_cannot_be_asked_for_are_refused(address: str, tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes("gr\u00fcn".encode("latin-1"))

    assert isinstance(_run("suggest", "--file", str(latin), "--server", address).exception, CommandError)
    for wrong in ([], ["--file", "nowhere.txt"], ["a", "b", "--category", "shoes"], ["a", "--max-tags", "0"]):
        assert _run("suggest", *wrong, "--server", address).exit_code == 2


def test_tags_may_be_narrowed(address: str) -> None:
    narrowed = ["--facet", "color", "--facet", "class", "--max-tags", "2"]
    found = orjson.loads(_run("tags", "a", *narrowed, "--server", address, "--json").stdout)

    assert found[0]["tags"][0]["value"] == "navycolorclass2"


def test_publish_skips_and_reports_bad_lines(topics_named: KafkaSettings, tmp_path: Path) -> None:
    feed = tmp_path / "feed.jsonl"
    lines = [
        b'{"product_id": "a", "title": "A"}',
        b"{",
        b"",
        b'{"title": "no id"}',
        b'{"product_id": "b", "version": 9}',
    ]
    feed.write_bytes(b"\n".join(lines) + b"\n")
    result = _run("publish", str(feed), "--version", "7")
    assert result.exit_code == 1
    assert "2 published" in result.stdout
    assert "2 bad lines, 1 empty lines" in result.stdout
    assert "feed.jsonl:2: not JSON" in result.stderr
    assert "feed.jsonl:4: product_id must be" in result.stderr
    protobuf = _run("publish", str(feed), "--version", "8", "--limit", "1", "--protobuf")
    assert protobuf.exit_code == 0
    with TopicReader(topics_named, topics_named.events_topic) as reader:
        records = reader.until_end()
    by_type = {dict(record.headers)["content-type"]: record for record in records if record.key == b"a"}
    assert orjson.loads(by_type[b"application/json"].value)["product"]["version"] == 7
    event = events_pb2.ProductEvent.FromString(by_type[b"application/x-protobuf"].value)
    assert (event.product.title, event.product.version, event.type) == ("A", 8, events_pb2.EVENT_TYPE_UPDATED)
    assert len(records) == 3


def test_a_feed_that_ends_early_is_published_as_far_as_it_goes(topics_named: KafkaSettings, tmp_path: Path) -> None:
    rng = Random(4)
    lines = [b'{"product_id": "p%d", "title": "%d"}' % (at, rng.getrandbits(200)) for at in range(2_000)]
    packed = gzip.compress(b"\n".join(lines))
    (tmp_path / "feed.jsonl.gz").write_bytes(packed[: len(packed) // 2])

    result = _run("publish", str(tmp_path / "feed.jsonl.gz"))

    assert isinstance(result.exception, CommandError)
    with TopicReader(topics_named, topics_named.events_topic) as reader:
        count = len(reader.until_end())
    assert 100 < count < 1_900
    assert f"cannot be read on after {count:,} lines" in str(result.exception)
    assert f"{count:,} published" in result.stdout


def test_a_product_that_is_too_large_is_refused_and_the_others_are_published(
    topics_named: KafkaSettings, tmp_path: Path
) -> None:
    feed = tmp_path / "feed.jsonl"
    products = [{"product_id": "a"}, {"product_id": "big", "description": "x" * 1_100_000}, {"product_id": "b"}]
    feed.write_bytes(b"\n".join(map(orjson.dumps, products)))
    result = _run("publish", str(feed))
    assert result.exit_code == 1
    assert "2 published" in result.stdout
    assert "1 refused" in result.stdout
    assert "refused: big: " in result.stderr
    assert "MessageSizeTooLargeError" in result.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_publish_that_is_stopped_exits_with_130(how: signal.Signals, topics_named: KafkaSettings) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "hangtag.cli", "publish", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        text=True,
    ) as publish:
        assert publish.stdin is not None
        assert publish.stdout is not None
        publish.stdin.write('{"product_id": "a", "title": "A"}\n' * 500)
        publish.stdin.flush()
        with TopicReader(topics_named, topics_named.events_topic) as reader:
            while not reader.new(wait_ms=200):  # then it waits for more lines
                assert publish.poll() is None
        publish.send_signal(how)
        output = publish.stdout.read()
    assert publish.returncode == 130
    assert output.startswith("stopped; ")


def test_a_version_out_of_range_is_wrong_usage() -> None:
    result = _run("publish", "-", "--version", str(2**63))
    assert result.exit_code == 2


def test_dead_letters_are_shown_newest_last(topics_named: KafkaSettings) -> None:
    assert "no dead letters" in _run("deadletters").stdout
    with KafkaProducer(bootstrap_servers=topics_named.bootstrap) as producer:
        for number in range(5):
            headers = [("hangtag.offset", str(number).encode()), ("hangtag.message", b"empty text"), ("other", b"x")]
            key = f"p{number}".encode()
            producer.send(topics_named.dead_letter_topic, key=key, headers=headers, timestamp_ms=1_000 + number).get(
                timeout=10
            )
    found = orjson.loads(_run("deadletters", "--limit", "2", "--json").stdout)
    places = [each.pop("letter") for each in found]
    assert found == [{"product_id": f"p{number}", "offset": number, "message": "empty text"} for number in (3, 4)]
    assert orjson.loads(_run("deadletters", "show", places[0], "--json").stdout)["key"] == "p3"
    assert all(text in _run("deadletters").stdout for text in ("p0", "p4", "empty text"))


@_ON_TANSU
def test_a_dead_letter_takes_few_lines_of_a_narrow_terminal(
    topics_named: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (
        "title, description and merchant_category have no visible text (without markup); send at least one of them"
    )
    headers = {"topic": "products.events", "partition": "3", "offset": "17", "stage": "validate", "error": "EmptyText"}
    with KafkaProducer(bootstrap_servers=topics_named.bootstrap) as producer:
        record = [(f"hangtag.{name}", value.encode()) for name, value in {**headers, "message": message}.items()]
        producer.send(topics_named.dead_letter_topic, key=b"demo-0200", headers=record).get(timeout=10)
    monkeypatch.setattr("hangtag.cli.console._WIDTH_OF_FILES", 60)
    lines = _run("deadletters").stdout.splitlines()
    assert lines[0].split("  ")[1:4] == ["demo-0200", "validate", "EmptyText"]
    assert " ".join(" ".join(lines[1:]).split()) == message
    assert len(lines) == 3
    assert max(map(len, lines)) <= 60


@_ON_TANSU
def test_a_missing_topic_is_an_error(broker: str) -> None:
    with pytest.raises(CommandError, match=r"no topic nothing at .*`hangtag up` creates"):
        TopicReader(KafkaSettings(bootstrap=broker), "nothing")
    assert not any(thread.name == "kafka-io-hangtag-cli" for thread in threading.enumerate())
