"""Products of a shop with tags and texts, and a re-tag in this process that may be killed at any of its steps."""

import json
from contextlib import closing
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.retag.topic_source import TopicSource, of_text
from hangtag.cli.topic import TopicReader
from hangtag.kafka.producer import Producer
from hangtag.records import KeptText, Record, decode_event, decode_tags
from hangtag.settings import Settings
from hangtag.store import Entry, RedisTagStore, RetagRun, RetagStore
from hangtag.tagger.release import Release
from hangtag.tagger.tagger import Tagger
from hangtag.telemetry.clock import SystemClock
from hangtag.text.text_hash import text_hash
from hangtag.workers.retag import LivePace, Retagging, Selection, TextSource
from hangtag.write import KafkaSink, Update, Writes, kept_text_of

ON_TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)
WORDS = ("red dress", "blue shoe", "cat food", "space game")


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
