"""`hangtag retag` with a real broker and a real Valkey: products of one bundle get the tags of another, and back."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.retag import opened
from hangtag.cli.retag.topic_source import TopicSource, of_text
from hangtag.cli.topic import TopicReader
from hangtag.kafka.producer import Producer
from hangtag.records import KeptText, Record, decode_event, decode_tags
from hangtag.settings import KafkaSettings, ModelSettings, RedisSettings, Settings, WorkerSettings
from hangtag.store import Entry, RedisTagStore, RetagRun, RetagStore, bundle_prefix
from hangtag.tagger.release import Release
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.decisions import Decision
from hangtag.tags.thresholds import TagThresholds
from hangtag.telemetry.clock import SystemClock
from hangtag.text.text_hash import text_hash
from hangtag.workers.retag import LivePace, Retagging, Selection, TextSource, Undoing
from hangtag.write import KafkaSink, Update, Writes, kept_text_of
from tests.bundles import write_tiny_bundle
from tests.integration.test_worker import until, working

on_tansu = pytest.mark.parametrize("broker", ["tansu"], indirect=True)
pytestmark = [on_tansu, pytest.mark.timeout(60)]
ROOT = Path(__file__).resolve().parents[2]
WORDS = ("red dress", "blue shoe", "cat food", "space game")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles that give the same texts other tags."""
    folders = [tmp_path_factory.mktemp(f"bundle-{seed}") for seed in range(2)]
    for seed, folder in enumerate(folders):
        write_tiny_bundle(folder, seed, thresholds=TagThresholds(auto=0.2, review=0.1))
    return folders


@pytest.fixture(scope="module")
def taggers(bundles: list[Path]) -> Iterator[list[Tagger]]:
    opened = [open_tagger(ModelSettings(bundle=str(folder), engine="cpu", threads=1)) for folder in bundles]
    yield opened
    for each in opened:
        each.close()


@pytest.fixture
def settings(topics: KafkaSettings, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in (
        "bootstrap",
        "group",
        "events_topic",
        "tagged_topic",
        "texts_topic",
        "dead_letter_topic",
        "models_topic",
    ):
        monkeypatch.setenv(f"HANGTAG_KAFKA__{name.upper()}", getattr(topics, name))
    monkeypatch.setenv("HANGTAG_REDIS__URL", redis_settings.url.get_secret_value())
    monkeypatch.setenv("HANGTAG_MODEL__ENGINE", "cpu")
    monkeypatch.setenv("HANGTAG_MODEL__THREADS", "1")
    # Both would stay for the other tests of this process.
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(opened, "configure_logs", lambda *_: None)
    return Settings(kafka=topics, redis=redis_settings, worker=WorkerSettings())


def event(product_id: str, version: int = 1, title: str = "red dress", **others: Any) -> bytes:
    return orjson.dumps({"product": {"product_id": product_id, "version": version, "title": title, **others}})


def publish(settings: Settings, *events: bytes) -> None:
    producer = Producer(bootstrap_servers=settings.kafka.bootstrap, linger_ms=20)
    for value in events:
        producer.send(settings.kafka.events_topic, value=value)
    producer.flush(30)
    producer.close()


def listed(settings: Settings, tagger: Tagger, *events: bytes, sequence: int = 0) -> None:
    """Products as a worker with this bundle leaves them: tags in store and topic, and their texts."""
    write(settings, *listed_updates(tagger, *events, sequence=sequence))


def listed_updates(tagger: Tagger, *events: bytes, sequence: int = 0) -> list[Update]:
    decoded = [decode_event(value, None, (), 1, len(value)) for value in events]
    tags = tagger([each.text for each in decoded])
    updates = []
    for each, found in zip(decoded, tags, strict=True):
        hashed = text_hash(each.text, each.language)
        kept = KeptText(each.product_id, each.version, each.fields, each.language, each.shop, hashed)
        updates.append(
            Update(
                each.product_id,
                each.version,
                found,
                tagger.bundle.version,
                sequence,
                hashed,
                tagged_at_ms=1,
                schema=tagger.bundle.schema,
                kept=kept,
            )
        )
    return updates


def write(settings: Settings, *updates: Update) -> None:
    with closing(RedisTagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        Writes(updates).run(store, sink)


def held(settings: Settings, *ids: str) -> list[Entry | None]:
    with closing(RedisTagStore(settings.redis)) as store:
        return store.read(ids)


def retag(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["retag", *arguments, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def verified() -> int:
    """How many products `hangtag verify` finds to disagree."""
    done = CliRunner().invoke(app, ["verify", "--grace", "0.1", "--json"])
    found: int = json.loads(done.stdout)["disagreeing"]
    return found


def texts(settings: Settings) -> dict[str, KeptText]:
    """The last text of each product."""
    with TopicReader(settings.kafka, settings.kafka.texts_topic) as reader:
        return {kept.product_id: kept for kept in map(kept_text_of, map(Record.of, reader.until_end()))}


def formers(settings: Settings) -> set[str]:
    with closing(RetagStore(settings.redis)) as store:
        return {former.entry.product_id for found in store.formers() for former in found}


def names(entry: Entry | None) -> set[str]:
    assert entry is not None
    tags = decode_tags(entry.payload).tags
    return {each.tag for each in (*tags.tags, *tags.review)}


def test_a_catalogue_gets_the_tags_of_a_bundle_and_goes_back_without_a_model(settings, bundles, taggers):
    first, second = taggers
    price = {"currency": "EUR", "amount": "19.99"}
    shop = {"shop_id": "s1", "url": "https://x/1", "image_urls": ["https://x/1.jpg"], "price": price}
    model = ModelSettings(bundle=str(bundles[0]), engine="cpu", threads=1)
    events = [event(f"p{number}", title=WORDS[number % 4]) for number in range(40)]
    publish(settings, event("p0", 2, "<b>red</b> dress", attributes={"size": "m"}, **shop), *events[1:])
    with working(settings.model_copy(update={"model": model})):
        until(lambda: None not in held(settings, *(f"p{number}" for number in range(40))))
        publish(settings, orjson.dumps({"type": "DELETED", "product": {"product_id": "p7", "version": 2}}))
        until(lambda: (found := held(settings, "p7")[0]) is not None and found.is_deletion)
    before = held(settings, *(f"p{number}" for number in range(40)))
    found = texts(settings)
    assert found["p7"].is_deletion
    assert (found["p0"].version, found["p0"].fields.title) == (2, "red dress")
    assert found["p0"].shop.price == ("EUR", "19.99")
    assert found["p0"].shop.attributes == {"size": "m"}

    counts = retag("--bundle", str(bundles[1]), "--sequence", "1")

    # The text of the deleted product is still in the topic, before its tombstone.
    assert (counts["written"], counts["computed"], counts["not_there"]) == (39, 39, 1)
    after = held(settings, *(f"p{number}" for number in range(40)))
    assert after[7] == before[7]
    assert [names(each) for each in after[:4]] == [
        {tag.tag for tag in (*tags.tags, *tags.review)} for tags in second(list(WORDS))
    ]
    assert {each.sequence for each in after if each is not None and not each.is_deletion} == {1}
    assert retag("--bundle", str(bundles[1]), "--sequence", "1")["same"] == 39
    assert verified() == 0

    undone = retag("undo", "--sequence", "2")

    assert undone == {"sequence": 2, "restored": 39, "changed": 0}
    restored = held(settings, *(f"p{number}" for number in range(40)))
    assert [each.payload for each in restored] == [each.payload for each in before]
    assert {each.sequence for each in restored if not each.is_deletion} == {2}
    assert {each.bundle_prefix for each in restored if not each.is_deletion} == {bundle_prefix(first.bundle.version)}
    assert formers(settings) == set()
    assert verified() == 0


class Killed(BaseException):
    """The process ends here, as by kill -9."""


class Run:
    """A re-tag in this process, which may be killed at any of its steps."""

    def __init__(self, settings: Settings, tagger: Tagger, sequence: int = 1):
        self.settings = settings
        self.release = Release(tagger, sequence)
        self.run_id = "0123456789abcdef"
        self.computed = 0

    def go(self, on_step=lambda: None, *, creates: bool = False, only: Selection | None = None) -> Retagging:
        """Run it, or go on with it. `on_step` is called before each round trip with the store and each flush."""
        kafka = self.settings.kafka

        class Store(RetagStore):
            def read(self, product_ids):
                on_step()
                return super().read(product_ids)

            def write(self, entries):
                on_step()
                replies = super().write(entries)
                on_step()
                return replies

            def note(self, run):
                on_step()
                super().note(run)
                on_step()

        class Sink(KafkaSink):
            def flush(self):
                on_step()
                super().flush()
                on_step()

        store = Store(self.settings.redis, self.run_id, creates=creates)
        with TopicReader(kafka, kafka.texts_topic) as reader, closing(store), closing(Sink(kafka)) as sink:
            found = store.run()
            if found is None or found.sequence != self.release.sequence:
                found = RetagRun(self.run_id, {}, self.release.bundle_version, self.release.sequence, 1)
            source: TextSource = TopicSource(reader, of_text, found.positions)
            work = Retagging(
                source,
                self.release,
                store,
                store,
                sink,
                found,
                only or Selection(),
                LivePace(None, 0, lambda _: None),
                SystemClock(),
                self.settings.worker,
                lambda: None,
            )
            work.retag()
            return work


def test_a_retag_that_is_killed_ten_times_ends_as_if_it_was_not(settings, taggers):
    first, second = taggers
    listed(settings, first, *(event(f"p{number}", title=f"{WORDS[number % 4]} {number}") for number in range(1_500)))
    dice = random.Random(5)
    run = Run(settings, second)
    for _ in range(10):
        left = dice.randrange(1, 8)

        def step() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        with pytest.raises(Killed):
            run.go(step)

    run.go()

    found = held(settings, *(f"p{number}" for number in range(1_500)))
    assert {(entry.version, entry.sequence, entry.bundle_prefix) for entry in found} == {
        (1, 1, bundle_prefix(second.bundle.version))
    }
    assert len(formers(settings)) == 1_500
    assert verified() == 0


def test_a_process_that_is_killed_gives_way_to_others_and_the_next_one_goes_on(settings, bundles, taggers):
    listed(settings, taggers[0], *(event(f"p{number}", title=f"{WORDS[number % 4]} {number}") for number in range(900)))
    command = [sys.executable, "-m", "hangtag.cli", "retag", "--bundle", str(bundles[1]), "--sequence", "1", "--json"]
    command += ["--max-per-s", "200"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        closing(RetagStore(settings.redis)) as store,
    ):
        give_up = time.monotonic() + 40
        while not formers(settings):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < give_up
            time.sleep(0.02)
        niceness = os.getpriority(os.PRIO_PROCESS, process.pid)
        process.send_signal(signal.SIGKILL)
        before = store.run()

    counts = retag("--bundle", str(bundles[1]), "--sequence", "1")

    assert niceness == 19
    assert before is not None
    assert counts["run_id"] == before.run_id
    # What was written after the last note counts as the same.
    assert counts["written"] + counts["same"] == 900
    assert 0 < counts["written"] < 900
    assert {entry.sequence for entry in held(settings, *(f"p{number}" for number in range(900)))} == {1}


def test_what_is_newer_deleted_or_decided_stays(settings, taggers):
    first, second = taggers
    events = {name: event(name, 2) for name in ("plain", "newer", "deleted", "decided", "later")}
    listed(settings, first, *events.values())
    # Its text is not in the topic.
    [newer] = listed_updates(first, event("newer", 3, "cat food"))
    write(settings, replace(newer, kept=None))
    listed(settings, first, event("later", 2), sequence=5)
    decision = Decision("color:navy", is_accepted=True)
    [decided] = held(settings, "decided")
    with closing(RedisTagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        Writes([Update("deleted", 3, None)]).run(store, sink)
        person = Update.of(decided)
        entry = person.entry([decision], 1_700_000_000_000)
        assert store.write([entry])[0].outcome == "WRITTEN"
        Writes.of_stored([entry]).run(store, sink)
    before = held(settings, *events)

    counts = Run(settings, second).go().counts

    after = dict(zip(events, held(settings, *events), strict=True))
    assert [after[name] for name in ("newer", "deleted", "later")] == [before[place] for place in (1, 2, 4)]
    assert after["plain"].bundle_prefix == bundle_prefix(second.bundle.version)
    assert after["decided"].bundle_prefix == bundle_prefix(second.bundle.version)
    assert after["decided"].revision == 1_700_000_000_000
    assert "color:navy" in names(after["decided"])
    assert decode_tags(after["decided"].payload).decisions == (decision,)
    assert (counts.written, counts.decided, counts.not_there) == (2, 1, 1)
    assert verified() == 0


class Shop:
    """Workers, people and shops, who change products while a re-tag runs; the dice decide what happens."""

    def __init__(self, settings: Settings, tagger: Tagger, ids: list[str], seed: int):
        self.store, self.sink = RedisTagStore(settings.redis), KafkaSink(settings.kafka)
        self.tagger = tagger
        self.ids = ids
        self.dice = random.Random(seed)
        self.newest: dict[str, Entry] = {}
        self.decided: dict[str, Decision] = {}

    def act(self) -> None:
        """One change of one product, as far as that is written."""
        name = self.dice.choice(self.ids)
        [entry] = self.store.read([name])
        assert entry is not None
        kind = self.dice.choice(["newer", "deletion", "decision", "release"])
        if entry.is_deletion and kind != "newer":
            return
        if kind == "newer":
            title = self.dice.choice(WORDS)
            [update] = listed_updates(self.tagger, event(name, entry.version + 1, title))
        elif kind == "deletion":
            update = Update(name, entry.version, None)
        elif kind == "release":
            update = replace(Update.of(entry), sequence=entry.sequence + self.dice.randrange(3))
        else:
            self.decided[name] = Decision("color:navy", is_accepted=True)
            person = Update.of(entry).entry([self.decided[name]], entry.revision + 1)
            assert self.store.write([person])[0].outcome == "WRITTEN"
            Writes.of_stored([person]).run(self.store, self.sink)
            self.newest[name] = person
            return
        Writes([update]).run(self.store, self.sink)
        if kind == "deletion":
            self.decided.pop(name, None)
        [self.newest[name]] = self.store.read([name])  # type: ignore[list-item]

    def close(self) -> None:
        self.sink.close()
        self.store.close()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_while_a_retag_runs_and_is_undone_nothing_goes_back(settings, taggers, seed):
    first, second = taggers
    ids = [f"p{number}" for number in range(12)]
    listed(settings, first, *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids)))
    with closing(Shop(settings, first, ids, seed)) as shop:

        def check() -> None:
            for name, entry in zip(ids, shop.store.read(ids), strict=True):
                assert entry is not None
                assert name not in shop.newest or entry.rank >= shop.newest[name].rank
                assert entry.version <= max(1, shop.newest[name].version if name in shop.newest else 1)
                assert name not in shop.decided or shop.decided[name] in decode_tags(entry.payload).decisions

        for creates in (False, True):
            Run(settings, second, sequence=1 + creates).go(shop.act, creates=creates)
            check()
        run = RetagStore(settings.redis)
        undoing = Undoing(
            run.run() or pytest.fail("no run"),
            4,
            run,
            run,
            shop.sink,
            LivePace(None, 0, lambda _: None),
            shop.act,
        )
        undoing.undo()
        run.close()
        check()

    assert verified() == 0


def test_a_rollback_while_a_retag_runs_wins_and_the_rest_can_be_undone(settings, taggers):
    first, second = taggers
    ids = [f"p{number}" for number in range(600)]
    listed(settings, first, *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids)))
    before = held(settings, *ids)
    steps = 0

    def roll_back() -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            # A worker of the release that is in use again tags some products once more.
            listed(
                settings,
                first,
                *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids[:100])),
                sequence=2,
            )

    counts = Run(settings, second).go(roll_back).counts
    undone = retag("undo", "--sequence", "2")

    assert 0 < counts.written <= 600
    assert undone["restored"] == counts.written - undone["changed"]
    after = held(settings, *ids)
    assert {(entry.sequence, entry.bundle_prefix) for entry in after} == {(2, bundle_prefix(first.bundle.version))}
    assert [names(entry) for entry in after] == [names(entry) for entry in before]
    assert verified() == 0


def test_a_tag_that_was_blocked_since_does_not_come_back(settings, taggers):
    first, second = taggers
    listed(settings, first, *(event(f"p{number}", title=WORDS[number % 4]) for number in range(12)))
    before = held(settings, *(f"p{number}" for number in range(12)))
    tag = max(names(before[0]))
    run = Run(settings, second).go().run
    schema = first.bundle.schema.model_copy(update={"blocked": (tag,)})
    pace = LivePace(None, 0, lambda _: None)
    with closing(RetagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        Undoing(run, 3, store, store, sink, pace, lambda: None, schema, blocked_sequence=2).undo()

    after = held(settings, *(f"p{number}" for number in range(12)))

    assert {entry.sequence for entry in after} == {3}
    assert all(tag not in names(entry) for entry in after)
    assert names(after[0]) < names(before[0])
    assert verified() == 0


def test_only_what_is_selected_is_tagged_again_and_finalize_ends_it(settings, bundles, taggers):
    first, _ = taggers
    listed(settings, first, *(event(f"p{number}", title=WORDS[number % 4]) for number in range(8)))
    before = held(settings, *(f"p{number}" for number in range(8)))
    tag = min(names(before[0]) - names(before[1]))
    having = {f"p{place}" for place, entry in enumerate(before) if tag in names(entry)}

    counts = retag("--bundle", str(bundles[1]), "--sequence", "1", "--only", tag)

    assert (counts["written"], counts["not_selected"]) == (len(having), 8 - len(having))
    assert formers(settings) == having
    refused = CliRunner().invoke(app, ["retag", "--bundle", str(bundles[0]), "--sequence", "3"])
    assert "hangtag retag finalize" in str(refused.exception)
    assert "model rollback" in str(CliRunner().invoke(app, ["retag", "undo"]).exception)
    assert retag("finalize") == {"dropped": len(having)}
    assert formers(settings) == set()
    assert retag("--bundle", str(bundles[0]), "--sequence", "3")["written"] == 8


def test_events_and_files_are_sources_too(settings, bundles, taggers, tmp_path):
    first, _ = taggers
    events = [event(f"p{number}", 3, WORDS[number % 4], language="en") for number in range(6)]
    listed(settings, first, *events[:4])
    publish(settings, *events, b"no event")
    file = tmp_path / "shop.jsonl"
    rows = [orjson.loads(value)["product"] for value in events]
    file.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))

    of_events = retag("--bundle", str(bundles[1]), "--sequence", "1", "--from", "events")
    retag("finalize")
    of_file = retag("--bundle", str(bundles[0]), "--sequence", "2", "--from", str(file), "--create")

    assert (of_events["written"], of_events["not_there"], of_events["unreadable"]) == (4, 2, 1)
    assert (of_file["written"], of_file["not_there"]) == (6, 0)
    assert [entry.version for entry in held(settings, *(f"p{number}" for number in range(6)))] == [3] * 6
    assert verified() == 0
