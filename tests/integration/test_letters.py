"""`hangtag deadletters` with real brokers and a real worker: shown, sent again, dropped, and interrupted."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner, Result

from hangtag.cli.app import app
from hangtag.cli.dead_letters import handling
from hangtag.cli.errors import CommandError
from hangtag.cli.local import create_topics, start_broker
from hangtag.kafka.producer import Producer
from hangtag.letters import LetterError, LetterSender, sender
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings, Settings
from hangtag.v1 import events_pb2
from hangtag.write import KafkaSink, Reason
from tests.integration.stopped_command import stopped_after
from tests.integration.test_worker import bundle, committed, process, product, read_all, settings, stored, until

__all__ = ["bundle", "settings"]  # fixtures

FORWARD = Reason("forward", "ValueError", "the engine failed", 2)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ON_TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


@pytest.fixture(autouse=True)
def folder(topics_named: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **how) -> Result:
    return CliRunner().invoke(app, ["deadletters", *arguments], **how)


def listed(*arguments: str) -> list[dict]:
    return orjson.loads(run("list", "--json", *arguments).stdout)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def bury(topics: KafkaSettings, *records: tuple, reason: Reason = FORWARD, age_ms: int = HOUR_MS) -> None:
    """Write dead letters as a worker does, of records given as key, value and headers."""
    sink = KafkaSink(topics, flush_timeout_s=20)
    for offset, (key, value, *headers) in enumerate(records):
        at = Partition(topics.events_topic, 1)
        sink.dead_letter(Record(at, offset, now_ms() - age_ms, key, value, tuple(headers)), reason, "ab")
    sink.flush()
    sink.close()


def read(topics: KafkaSettings, topic: str) -> Iterator:
    with KafkaConsumer(bootstrap_servers=topics.bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)])
        while more := consumer.poll(timeout_ms=2_000):
            for records in more.values():
                yield from records


def test_letters_are_filtered_counted_and_shown(topics: KafkaSettings) -> None:
    binary = events_pb2.ProductEvent(product=events_pb2.Product(product_id="b", title="blue shoe")).SerializeToString()
    bury(topics, (b"a", product("a")), (b"b", binary, ("content-type", b"application/x-protobuf")))
    bury(topics, (b"c", b"\x1b[2J{", ("trace", None)), reason=Reason("decode", "EventError", "not valid JSON"))

    # Both may be of one millisecond, in either order.
    forward = listed("--stage", "forward")
    assert {each["product_id"] for each in forward} == {"a", "b"}
    assert listed("--stage", "forward", "--limit", "1") == forward[-1:]
    assert [each["product_id"] for each in listed("--reason", "NOT valid")] == ["c"]
    assert [each["product_id"] for each in listed("--product", "a", "--since", "1h")] == ["a"]
    assert listed("--until", "1h") == listed("--since", "2030-01-01") == []
    assert orjson.loads(run("list", "--summary", "--json").stdout) == [
        {"stage": "forward", "error": "ValueError", "letters": 2},
        {"stage": "decode", "error": "EventError", "letters": 1},
    ]
    assert "forward" in run("--summary").stdout
    assert "no dead letters like these that are not handled" in run("--product", "z").stdout

    places = {each["product_id"]: each["letter"] for each in listed()}
    without = run("show", places["a"]).stdout
    assert "hangtag.stage" in without
    assert "red dress" not in without + run("list").stdout
    assert "red dress" in run("show", places["a"], "--value").stdout
    shown = orjson.loads(run("show", places["b"].rpartition("-")[2], "--value", "--json").stdout)
    assert shown["value"]["product"]["title"] == "blue shoe"
    assert shown["headers"][0] == ["content-type", "application/x-protobuf"]
    odd = run("show", places["c"], "--value").stdout
    assert "\x1b" not in odd
    assert "(no value)" in odd
    missing = run("show", "0@999").exception
    assert isinstance(missing, LetterError)
    assert "list --all" in str(missing)


def test_a_replayed_letter_is_sent_as_it_was_and_hidden(topics: KafkaSettings) -> None:
    headers = (("content-type", b"application/json"), ("trace", None), ("trace", b"\xff"))
    bury(topics, (b"a", product("a"), *headers), (None, product("keyless")))
    [letter] = listed("--product", "a")

    tried = run("replay", "--all", "--dry-run")
    assert "2 would be replayed" in tried.stdout
    assert list(read(topics, topics.events_topic)) == []
    asked = run("replay", "--all", input="n\n")
    assert asked.exit_code == 1
    assert list(read(topics, topics.events_topic)) == []
    done = run("replay", "--stage", "forward", "--by", "ann", "--note", "engine is fixed", input="y\n")

    assert done.exit_code == 0, done.output
    assert "2 replayed" in done.stdout
    sent = {each.key: each for each in read(topics, topics.events_topic)}
    assert sent.keys() == {b"a", None}
    assert (sent[b"a"].value, tuple(sent[b"a"].headers[:3])) == (product("a"), headers)
    said = {name: (text or b"").decode() for name, text in sent[b"a"].headers[3:]}
    assert said.pop("hangtag.replayed_at").isdecimal()
    assert said == {
        "hangtag.replayed_by": "ann",
        "hangtag.replayed_from": letter["letter"],
        "hangtag.replayed_timestamp": str(letter["timestamp"]),
        "hangtag.replays": "1",
    }
    assert listed() == []
    [shown] = listed("--all", "--product", "a")
    assert shown["resolution"].items() >= {"what": "replayed", "by": "ann", "reason": "engine is fixed"}.items()
    assert "replayed by ann" in run("list", "--all").stdout
    resolution = [each for each in read(topics, topics.dead_letter_topic) if each.key == b"a"][-1]
    assert f"{topics.dead_letter_topic}-{resolution.partition}@" in letter["letter"]

    again = run("replay", "--all", "--yes")
    assert "0 replayed, 0 left out, 2 handled before" in again.stdout
    named = run("replay", letter["letter"], "--yes")
    assert (named.exit_code, "--again" in named.stderr) == (1, True)
    assert len(list(read(topics, topics.events_topic))) == 2
    assert "1 replayed" in run("replay", letter["letter"], "--again", "--yes").stdout
    assert len(list(read(topics, topics.events_topic))) == 3


def test_a_dropped_letter_is_hidden_and_not_sent(topics: KafkaSettings) -> None:
    bury(topics, (b"a", product("a")), (b"b", product("b")))

    assert "1 dropped" in run("drop", "--product", "a", "--by", "ann", "--note", "test data", "--yes").stdout

    assert [each["product_id"] for each in listed()] == ["b"]
    assert "1 replayed, 0 left out, 1 handled before" in run("replay", "--all", "--yes").stdout
    assert [each.key for each in read(topics, topics.events_topic)] == [b"b"]
    assert "dropped by ann" in run("list", "--all").stdout


@ON_TANSU
def test_what_may_not_be_sent_is_left_out_with_the_reason(topics: KafkaSettings) -> None:
    bury(topics, (b"new", product("new")))
    bury(topics, (b"old", product("old")), age_ms=8 * DAY_MS)
    bury(topics, (None, b"raw"), reason=Reason("read", "UnreadableError", "offsets 1 to 3"))
    bury(topics, (b"cut", b"{", ("hangtag.truncated", b"value")))

    done = run("replay", "--all", "--yes")

    assert done.exit_code == 1
    assert "1 replayed, 3 left out" in done.stdout
    assert all(words in done.stderr for words in ("older than 7 days", "let the sender produce", "truncated"))
    assert [each.key for each in read(topics, topics.events_topic)] == [b"new"]
    gone = run("replay", "0@99999", "--yes")
    assert (gone.exit_code, "no dead letter at this place" in gone.stderr) == (1, True)
    assert "1 replayed, 2 left out" in run("replay", "--all", "--anyway", "--yes").stdout


@pytest.mark.kafka
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_deletions_count_as_forgotten_as_soon_as_the_topic_forgets_them(topics: KafkaSettings) -> None:
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    bury(topics, (b"a", product("a")), age_ms=2 * HOUR_MS)
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap) as admin:
        hour = {"cleanup.policy": "compact", "delete.retention.ms": str(HOUR_MS)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.tagged_topic, hour)])

    assert "older than 1 hours" in run("replay", "--all", "--yes").stderr


@pytest.mark.timeout(120)
def test_a_replayed_record_that_is_older_than_what_is_stored_changes_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    topics = settings.kafka
    unversioned = json.dumps({"product": {"product_id": "undated", "title": "black boots"}}).encode()
    current = json.dumps({"product": {"product_id": "undated", "title": "red dress"}}).encode()
    bury(topics, (b"p1", product("p1", 3, "black boots")), (b"undated", unversioned), (b"gone", product("gone", 1)))
    producer = Producer(bootstrap_servers=topics.bootstrap)
    with process(settings, tmp_path):
        producer.send(topics.events_topic, product("p1", 5), b"p1")
        producer.send(topics.events_topic, current, b"undated", timestamp_ms=now_ms() - HOUR_MS // 2)
        producer.send(topics.events_topic, product("gone", 2, kind="DELETED"), b"gone")
        producer.flush(30)
        until(lambda: len(stored(settings)) == 3)
        until(lambda: sum(committed(settings).values()) == 3)
        before = stored(settings)
        tagged = [(each.key, each.value) for each in read_all(settings, topics.tagged_topic)]

        assert "3 replayed" in run("replay", "--all", "--yes").stdout
        until(lambda: sum(committed(settings).values()) == 6)

        assert stored(settings) == before
        assert [(each.key, each.value) for each in read_all(settings, topics.tagged_topic)] == tagged
    producer.close()
    assert before["p1"] == 5
    assert listed() == []


@pytest.mark.timeout(120)
def test_a_replayed_record_that_fails_again_is_a_new_letter_that_waits_for_a_person(
    settings: Settings, tmp_path: Path
) -> None:
    topics = settings.kafka
    bury(topics, (b"bad", b"{"), (b"good", product("good")))
    [first] = listed("--product", "bad")
    with process(settings, tmp_path):
        assert "2 replayed" in run("replay", "--all", "--by", "ann", "--yes").stdout
        until(lambda: stored(settings) == {"good": 1})
        until(lambda: len(listed()) == 1)

        [again] = listed()
        assert again["letter"] != first["letter"]
        assert (again["replayed_by"], again["replayed_from"], again["replays"]) == ("ann", first["letter"], 1)
        assert "replayed once, last by ann" in run("list").stdout
        waiting = run("replay", "--all", "--yes")
        assert (waiting.exit_code, "failed again" in waiting.stderr) == (1, True)
        assert "1 replayed" in run("replay", again["letter"], "--again", "--yes").stdout
        until(lambda: [each["replays"] for each in listed()] == [2])


@ON_TANSU
def test_a_crash_between_event_and_resolution_sends_the_event_twice(
    topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury(topics, (b"a", product("a")))

    def crash(*_: object) -> None:
        msg = "the process ends here"
        raise LetterError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(LetterSender, "resolve", crash)
        assert isinstance(run("replay", "--all", "--yes").exception, CommandError)
    assert [each["product_id"] for each in listed()] == ["a"]
    assert "1 replayed" in run("replay", "--all", "--yes").stdout

    assert [each.value for each in read(topics, topics.events_topic)] == [product("a")] * 2
    assert listed() == []


@ON_TANSU
def test_two_people_who_replay_at_once_lose_nothing(topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(topics, *((b"p%d" % number, product(f"p{number}")) for number in range(5)))
    asked = iter(["the first has chosen"])
    results: list[Result] = []

    def while_asked(*_: object) -> bool:
        if next(asked, None):
            results.append(run("replay", "--all", "--by", "bob"))
        return True

    monkeypatch.setattr(handling.typer, "confirm", while_asked)
    results.append(run("replay", "--all", "--by", "ann"))

    assert [result.exit_code for result in results] == [0, 0]
    keys = sorted(each.key for each in read(topics, topics.events_topic))
    assert keys == sorted(2 * [b"p%d" % number for number in range(5)])
    assert listed() == []
    assert {each["resolution"]["by"] for each in listed("--all")} == {"ann"}


@ON_TANSU
@pytest.mark.timeout(120)
def test_a_replay_that_is_stopped_goes_on_when_it_is_run_again(topics: KafkaSettings) -> None:
    count = 15_000
    bury(topics, *((b"p%d" % each, product(f"p{each}")) for each in range(count)))

    code, _ = stopped_after(f"of {count:,} replayed", signal.SIGINT, "deadletters", "replay", "--all", "--yes")

    assert code == 130
    assert 0 < len(listed("--limit", str(count))) < count
    finished = run("replay", "--all", "--yes")
    assert (finished.exit_code, listed()) == (0, [])
    keys = [each.key for each in read(topics, topics.events_topic)]
    assert set(keys) == {b"p%d" % each for each in range(count)}
    assert len(keys) <= count + 100


@ON_TANSU
def test_a_broker_that_stops_answering_is_named_and_a_second_run_goes_on(
    topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count = 500
    sent: list[int] = []
    replay = LetterSender.replay
    with start_broker("tansu", tmp_path) as broker:
        own = topics.model_copy(update={"bootstrap": broker.url})
        monkeypatch.setenv("HANGTAG_KAFKA__BOOTSTRAP", broker.url)
        create_topics(own)
        bury(own, *((b"p%d" % each, product(f"p{each}")) for each in range(count)))

        def freeze_at_the_second(self: LetterSender, records: list, at_ms: int) -> dict:
            if sent:
                os.kill(broker.child.pid, signal.SIGSTOP)
            sent.append(len(records))
            return replay(self, records, at_ms)

        with monkeypatch.context() as patched:
            patched.setattr(LetterSender, "replay", freeze_at_the_second)
            patched.setattr(sender, "_DELIVER_WITHIN_S", 2)
            try:
                error = run("replay", "--all", "--yes").exception
            finally:
                os.kill(broker.child.pid, signal.SIGCONT)
        assert isinstance(error, CommandError)
        assert f"{sent[0]} letters were replayed; run the same command again" in str(error)

        assert "0 left out" in run("replay", "--all", "--yes").stdout
        assert {each.key for each in read(own, own.events_topic)} == {b"p%d" % each for each in range(count)}
        assert listed() == []
