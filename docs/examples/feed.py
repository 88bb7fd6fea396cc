"""Keep an index of your own in step with Hangtag: here a table of SQLite, elsewhere Elasticsearch, OpenSearch or Vespa.

    python docs/examples/feed.py follow tags.sqlite            until Ctrl-C; with --once up to the present end
    python docs/examples/feed.py load tags.sqlite tags.jsonl   begin with a file of `hangtag export`, not with the topic
    python docs/examples/feed.py find tags.sqlite class:boots color:red

It needs kafka-python with all codecs and hangtag-client:
`pip install "kafka-python[crc32c,lz4,snappy,zstd]" hangtag-client`.
"""

import argparse
import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from hangtag.v1.tags_pb2 import ProductTags

TOPIC = "products.tagged"
# The topic keeps a deletion for seven days. Who was away for longer may have missed one, and begins again.
DELETIONS_KEPT_S = 7 * 86_400

TABLES = """
-- What of each product was taken last. A deleted product stays, so that an older record does not bring it back.
CREATE TABLE IF NOT EXISTS products (
    id TEXT PRIMARY KEY, version INTEGER, is_deletion INTEGER, sequence INTEGER, revision INTEGER, taken_at REAL
) WITHOUT ROWID;
-- What is searched. Facets and values are data, so a new tag schema needs no other table.
CREATE TABLE IF NOT EXISTS tags (
    id TEXT, facet TEXT, value TEXT, confidence REAL, PRIMARY KEY (facet, value, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_of_product ON tags (id);
CREATE TABLE IF NOT EXISTS positions (number INTEGER PRIMARY KEY, next_offset INTEGER);
CREATE TABLE IF NOT EXISTS source (topic_id TEXT, read_at REAL);
"""


class Index:
    """The index, with the place in the topic that it reflects: one transaction changes both, so no crash parts them."""

    def __init__(self, path: str) -> None:
        self.file = sqlite3.connect(path, isolation_level=None)
        self.file.executescript(TABLES)

    def take(self, records: Iterable[ConsumerRecord], positions: dict[int, int], topic_id: str) -> None:
        """Apply records in their order, and remember what was read."""
        self.file.execute("BEGIN")
        for record in records:
            headers = {name: value.decode() for name, value in record.headers if name.startswith("hangtag.")}
            if "hangtag.version" not in headers:
                continue  # not written by Hangtag
            rank = (
                int(headers["hangtag.version"]),
                record.value is None,
                int(headers.get("hangtag.sequence", 0)),
                int(headers.get("hangtag.revision", 0)),
            )
            found = [] if record.value is None else ProductTags.FromString(record.value).tags
            self.put(record.key.decode(), rank, [(tag.facet, tag.value, tag.confidence) for tag in found])
        self.note(positions, topic_id)
        self.file.execute("COMMIT")

    def put(self, product: str, rank: tuple[int, bool, int, int], tags: list[tuple[str, str, float]]) -> None:
        """Replace a product's tags, unless they come from a newer record: a late one is never the newest."""
        known = self.file.execute(
            "SELECT version, is_deletion, sequence, revision FROM products WHERE id = ?", (product,)
        ).fetchone()
        if known is not None and known > rank:
            return
        self.file.execute("INSERT OR REPLACE INTO products VALUES (?, ?, ?, ?, ?, ?)", (product, *rank, time.time()))
        self.file.execute("DELETE FROM tags WHERE id = ?", (product,))
        self.file.executemany("INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)", [(product, *each) for each in tags])

    def note(self, positions: dict[int, int], topic_id: str) -> None:
        """Remember the next offset of each partition."""
        self.file.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
        self.file.execute("DELETE FROM source")
        self.file.execute("INSERT INTO source VALUES (?, ?)", (topic_id, time.time()))

    def where_to_go_on(self, topic_id: str) -> dict[int, int]:
        """The next offset of each partition; none, in an empty index, if it must begin again."""
        source = self.file.execute("SELECT topic_id, read_at FROM source").fetchone()
        if source is None or source[0] != topic_id or time.time() - source[1] > DELETIONS_KEPT_S:
            for table in ("products", "tags", "positions", "source"):
                self.file.execute(f"DELETE FROM {table}")  # noqa: S608
        long_ago = time.time() - DELETIONS_KEPT_S
        self.file.execute("DELETE FROM products WHERE is_deletion AND taken_at < ?", (long_ago,))
        return dict(self.file.execute("SELECT number, next_offset FROM positions"))

    def find(self, tags: list[str]) -> list[str]:
        """Ids of products with all of these tags, best first."""
        pairs = [tag.partition(":")[::2] for tag in tags]
        rows = self.file.execute(
            f"SELECT id FROM tags WHERE (facet, value) IN (VALUES {', '.join(['(?, ?)'] * len(pairs))}) "  # noqa: S608
            "GROUP BY id HAVING count(*) = ? ORDER BY sum(confidence) DESC, id",
            [*(part for pair in pairs for part in pair), len(pairs)],
        )
        return [product for (product,) in rows]


def follow(index: Index, bootstrap: str, topic: str, *, once: bool) -> None:
    """Read the topic from where the index is; everything, if it is new."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        # Another id if the topic was made again: then old offsets mean nothing.
        [described] = admin.describe_topics([topic])
        topic_id = str(described.get("topic_id") or topic)
    # No consumer group: the index knows its place itself.
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest")) as consumer:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        places = index.where_to_go_on(topic_id)
        for each in partitions:
            if each.partition in places:
                consumer.seek(each, places[each.partition])
            else:
                consumer.seek_to_beginning(each)
        ends = consumer.end_offsets(partitions)
        while True:
            polled = consumer.poll(timeout_ms=500, max_records=5_000)
            positions = {each.partition: consumer.position(each) for each in partitions}
            index.take((record for records in polled.values() for record in records), positions, topic_id)
            if once and not polled and all(consumer.position(each) >= end for each, end in ends.items()):
                return


def load(index: Index, path: Path) -> None:
    """Fill an empty index from an export; `follow` goes on from the offsets of the export."""
    stated = json.loads(path.with_name(f"{path.name}.offsets.json").read_text("utf-8"))
    index.file.execute("BEGIN")
    with path.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            tags = [(tag["facet"], tag["value"], tag["confidence"]) for tag in row["tags"]]
            index.put(row["product_id"], (row["version"], False, row["sequence"], row["revision"]), tags)
    index.note({int(number): offset for number, offset in stated["offsets"].items()}, stated["topic_id"])
    index.file.execute("COMMIT")


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["follow", "load", "find"])
    parser.add_argument("index", help="the SQLite file")
    parser.add_argument("words", nargs="*", help="tags to find, or the file to load")
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--topic", default=TOPIC)
    parser.add_argument("--once", action="store_true", help="stop at the present end of the topic")
    arguments = parser.parse_args()
    index = Index(arguments.index)
    with closing(index.file):
        if arguments.command == "find":
            print("\n".join(index.find(arguments.words)))
        elif arguments.command == "load":
            load(index, Path(arguments.words[0]))
        else:
            follow(index, arguments.bootstrap, arguments.topic, once=arguments.once)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped; it goes on from here")
