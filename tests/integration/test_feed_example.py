"""docs/examples/feed.py keeps an index of another system in step, with a real broker."""

import runpy
import sqlite3
from pathlib import Path

import pytest

from hangtag.settings import KafkaSettings, RedisSettings, Settings
from hangtag.store import Entry
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.write import Update
from tests.integration.test_rebuild import produce, run

FEED = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "examples" / "feed.py"))
BUNDLE = "a" * 64
on_tansu = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


def tagged(product_id: str, version: int, *tags: str, sequence: int = 0) -> Entry:
    scored = tuple(ScoredTag(tag, 0.9, Source.MODEL, Band.AUTO) for tag in tags)
    return Update(product_id, version, TagSet(scored, ()), BUNDLE, sequence, tagged_at_ms=version).entry()


class Feed:
    """The example over a file. Each time it is opened, as after a restart."""

    def __init__(self, path: Path, kafka: KafkaSettings) -> None:
        self.path, self.kafka = path, kafka
        self.settings = Settings(kafka=kafka, redis=RedisSettings(url="redis://127.0.0.1:1/0"))

    def catch_up(self, *entries: Entry) -> None:
        produce(self.settings, *entries)
        index = FEED["Index"](str(self.path))
        FEED["follow"](index, self.kafka.bootstrap, self.kafka.tagged_topic, once=True)
        index.file.close()

    def find(self, *tags: str) -> list[str]:
        index = FEED["Index"](str(self.path))
        found = index.find(list(tags))
        index.file.close()
        return found


@pytest.fixture
def feed(topics: KafkaSettings, tmp_path: Path) -> Feed:
    return Feed(tmp_path / "tags.sqlite", topics)


@on_tansu
def test_it_holds_the_newest_tags_whatever_arrives_late(feed):
    feed.catch_up(
        tagged("boots", 2, "class:boots", "color:red"),
        tagged("boots", 1, "class:boots", "color:blue"),
        tagged("scarf", 1, "class:scarf", "color:red"),
        tagged("gone", 1, "class:boots"),
        Entry.deletion("gone", 2),
        tagged("gone", 1, "class:boots"),
    )
    assert feed.find("class:boots") == ["boots"]
    assert feed.find("color:red") == ["boots", "scarf"]
    assert feed.find("class:boots", "color:blue") == []

    # After a restart: an old record of a deleted product, another bundle of the same version with a facet that is new.
    feed.catch_up(
        tagged("gone", 1, "class:boots"),
        tagged("scarf", 1, "class:scarf", "material:wool", sequence=2),
        tagged("scarf", 1, "class:scarf", "color:red", sequence=1),
        Entry.deletion("boots", 2),
    )
    assert feed.find("class:boots") == []
    assert feed.find("material:wool") == ["scarf"]
    assert feed.find("color:red") == []


@on_tansu
def test_nothing_is_read_twice_and_a_topic_that_was_made_again_is_read_from_its_start(feed):
    feed.catch_up(tagged("boots", 1, "class:boots"))
    with sqlite3.connect(feed.path) as file:
        file.execute("DELETE FROM tags")
    feed.catch_up()
    assert feed.find("class:boots") == []

    # An index of another topic: its offsets mean nothing.
    with sqlite3.connect(feed.path) as file:
        file.execute("UPDATE source SET topic_id = 'another'")
    feed.catch_up()
    assert feed.find("class:boots") == ["boots"]


@on_tansu
def test_who_was_away_for_longer_than_deletions_are_kept_begins_again(feed):
    feed.catch_up(tagged("boots", 1, "class:boots"))
    with sqlite3.connect(feed.path) as file:
        file.execute("INSERT INTO tags VALUES ('deleted-meanwhile', 'class', 'boots', 1)")
        file.execute("UPDATE source SET read_at = read_at - 7 * 86400 - 1")

    feed.catch_up()

    assert feed.find("class:boots") == ["boots"]


@on_tansu
def test_it_begins_with_an_export_and_goes_on_from_its_offsets(feed, tmp_path):
    produce(feed.settings, tagged("boots", 1, "class:boots"), tagged("scarf", 1, "class:scarf", sequence=3))
    code, _, err = run(feed.settings, "export", str(tmp_path / "tags.jsonl"))
    assert code == 0, err
    index = FEED["Index"](str(feed.path))
    FEED["load"](index, tmp_path / "tags.jsonl")
    index.file.close()
    assert feed.find("class:boots") == ["boots"]

    feed.catch_up(tagged("scarf", 1, "class:boots", sequence=2), tagged("hat", 1, "class:hat"))

    assert feed.find("class:scarf") == ["scarf"]
    assert feed.find("class:hat") == ["hat"]
