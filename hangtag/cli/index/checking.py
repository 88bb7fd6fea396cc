"""A comparison of the index with the topic, and of what it shows with the store, while all of them change."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kafka.errors import KafkaError

from hangtag.cli.errors import CommandError
from hangtag.cli.index.page import IndexPage
from hangtag.cli.progress import remaining_time
from hangtag.cli.topic import TopicReader, no_kafka, reason_of
from hangtag.index import Index, SnapshotError
from hangtag.index.content import content_in, content_of
from hangtag.index.snapshot import Place, read_snapshot
from hangtag.kafka.tagged_topic import topic_id
from hangtag.records import Record
from hangtag.settings import Settings
from hangtag.store import Entry, Rank, RedisTagStore, StoreError
from hangtag.write import TaggedRecordError, entry_of

_AT_ONCE = 1_000
_EXAMPLES = 5


class Known(NamedTuple):
    """What the topic says of a product.

    Attributes:
        rank: its rank.
        tags: a number that is the same for the same tags.
        partition: the partition of the record that says it.
        offset: the offset of that record.
    """

    rank: Rank
    tags: int
    partition: int = -1
    offset: int = -1

    def says(self, rank: Rank, tags: int) -> bool:
        """Whether it says this."""
        return (self.rank, self.tags) == (rank, tags)


class Wrong(NamedTuple):
    """A product in which the index is wrong: the rank that it has, and what the topic says; None: nothing."""

    found: Rank | None
    known: Known | None


@dataclass
class Difference:
    """Products in which two of index, topic and store differ."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, product_id: bytes) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(product_id.decode(errors="replace"))


class Checking:
    """One run of `hangtag index check`. One thread calls it.

    Attributes:
        products: products in the topic, up to the offsets that the index has read.
        missing: products that the index lacks.
        other: products of which the index has another version or other tags.
        unknown: products that the index has and the topic does not.
        store: products of which the store has another version or other tags than topic and index.
        wrong: all products in which the index is wrong.
    """

    def __init__(self, settings: Settings, page: IndexPage) -> None:
        self._settings = settings
        self._page = page
        self.products = self.records = 0
        self.missing, self.other, self.unknown, self.store = (Difference() for _ in range(4))
        self.wrong: dict[bytes, Wrong] = {}

    @property
    def differing(self) -> int:
        """Products in which the index is wrong."""
        return len(self.wrong)

    def run(self, show: Callable[[str], None], grace_s: float) -> None:
        """Compare.

        Raises:
            CommandError: the index does not answer, its snapshot cannot be read, or the topic was made again.
            StoreError: the store does not answer.
        """
        show("the index writes its snapshot")
        index, place = _read(self._page.snapshot())
        with TopicReader(self._settings.kafka, self._settings.kafka.tagged_topic) as reader:
            if topic_id(self._settings.kafka) != place.topic:
                msg = "the topic was made again since the index read it; it reads the new one by itself, check it then"
                raise CommandError(msg)
            newest: dict[bytes, Known] = {}
            changing: set[bytes] = set()
            self._read_topic(reader, place, newest, changing, show)
            self.products = sum(not known.rank.is_deletion for known in newest.values())
            self._compare(index, newest)
            show("comparing with the store")
            found = self._unlike_store(newest.keys() - changing, newest)
            if found:
                show(f"waiting {grace_s:.0f} s to look again at {len(found):,} products")
                time.sleep(grace_s)
                reader.renew_ends()
                self._read_topic(reader, place, newest, changing, show)
                for product_id in self._unlike_store(found - changing, newest):
                    self.store.add(product_id)

    def _read_topic(
        self,
        reader: TopicReader,
        place: Place,
        newest: dict[bytes, Known],
        changing: set[bytes],
        show: Callable[[str], None],
    ) -> None:
        started = time.monotonic()
        for chunk in reader.chunks_until_end():
            for found in chunk:
                record = Record.of(found)
                try:
                    entry = entry_of(record.key, record.value, record.headers)
                except TaggedRecordError:
                    continue
                product_id = entry.product_id.encode()
                if record.offset >= place.offsets.get(record.partition.number, 0):
                    changing.add(product_id)
                elif product_id not in newest or entry.rank >= newest[product_id].rank:
                    newest[product_id] = Known(*_told(entry), record.partition.number, record.offset)
            self.records += len(chunk)
            done = reader.total - reader.remaining
            left = remaining_time(started, done, reader.total)
            show(f"{done / max(1, reader.total):.0%}: {self.records:,} records read, {left}")

    def _compare(self, index: Index, newest: dict[bytes, Known]) -> None:
        for product_id, known in newest.items():
            found = content_in(index, product_id)
            if found is None:
                self.missing.add(product_id)
                self.wrong[product_id] = Wrong(None, known)
            elif not known.says(rank := Rank(*found[0]), hash(found[1])):
                self.other.add(product_id)
                self.wrong[product_id] = Wrong(rank, known)
        for number in range(len(index.ids)):
            product_id = index.ids.get(number)
            if product_id in newest:
                continue
            found = content_in(index, product_id)
            # Of a deletion the topic may have lost the tombstone already.
            if found is not None and not (rank := Rank(*found[0])).is_deletion:
                self.unknown.add(product_id)
                self.wrong[product_id] = Wrong(rank, None)

    def _unlike_store(self, product_ids: set[bytes], newest: dict[bytes, Known]) -> set[bytes]:
        unlike = set()
        with closing(RedisTagStore(self._settings.redis)) as store:
            waiting = iter(product_ids)
            while some := list(islice(waiting, _AT_ONCE)):
                for product_id, entry in zip(some, store.read([each.decode() for each in some]), strict=True):
                    known = newest[product_id]
                    # The store forgets a deletion after a while.
                    is_same = known.rank.is_deletion if entry is None else known.says(*_told(entry))
                    if not is_same:
                        unlike.add(product_id)
        return unlike


def _read(path: str) -> tuple[Index, Place]:
    try:
        found = read_snapshot(Path(path))
    except SnapshotError as error:
        msg = f"the snapshot {path} cannot be compared: {error}"
        raise CommandError(msg) from error
    if found is None:
        msg = f"there is no snapshot {path} here; run this command on the machine of the index"
        raise CommandError(msg)
    return found


def _told(entry: Entry) -> tuple[Rank, int]:
    return entry.rank, hash(content_of(entry))


@contextmanager
def open_checking(settings: Settings) -> Iterator[Checking]:
    """A check with its connections.

    Raises:
        CommandError: Kafka or the store does not answer.
    """
    try:
        yield Checking(settings, IndexPage(settings.index))
    except KafkaError as error:
        raise CommandError(no_kafka(settings.kafka, reason_of(error))) from error
    except StoreError as error:
        raise CommandError(str(error)) from error
