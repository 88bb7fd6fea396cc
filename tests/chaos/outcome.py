"""What is in the topics and in the store when everything is settled, compared with what was sent."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from redis import Redis

from hangtag.settings import RedisSettings
from hangtag.store import Entry, RedisTagStore
from hangtag.store.entry import NO_TEXT
from hangtag.write import entry_of
from tests.chaos.errors import ChaosError
from tests.chaos.feeder import number_of
from tests.chaos.load import Load, Planned

_QUIET_MS = 500
_CHUNK = 1_000


@dataclass
class Outcome:
    """Products and records by what became of them; the lists hold examples to look at, and all of them count."""

    produced: int = 0
    committed_records: int = 0
    tagged: int = 0
    deleted: int = 0
    deadlettered: int = 0
    deadlettered_again: int = 0
    lost: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)
    topic_disagrees: list[str] = field(default_factory=list)
    never_sent: list[str] = field(default_factory=list)
    wrongly_refused: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """True if nothing is lost, older, disagreeing, invented or refused without cause."""
        return not (self.lost or self.older or self.topic_disagrees or self.never_sent or self.wrongly_refused)


def compare(
    load: Load, acknowledged: set[int], bootstrap: str, topics: tuple[str, str, str], redis_url: str
) -> Outcome:
    """Read events, tags and dead letters (`topics`, in this order) and the store, and compare.

    Raises:
        ChaosError: the brokers lost a record that they acknowledged, so nothing can be said about Hangtag.
    """
    events, tagged, dead_letters = topics
    places = {(one.partition, one.offset): _known(one) for one in read_all(bootstrap, events)}
    committed = set(places.values())
    if gone := acknowledged - committed:
        msg = f"the brokers acknowledged {len(gone)} records that are not in {events}, the first is {min(gone)}"
        raise ChaosError(msg)
    outcome = Outcome(produced=len(load.records), committed_records=len(committed))
    newest = newest_of(load.records[number] for number in committed)
    last = {}
    for one in read_all(bootstrap, tagged):
        entry = entry_of(one.key, one.value, one.headers)
        last[entry.product_id] = entry
    compare_products(outcome, newest, stored_entries(redis_url, {*newest, *last}), last)
    garbage = {number for number in committed if load.records[number].garbage}
    compare_letters(outcome, garbage, (_sent_as(one, places) for one in read_all(bootstrap, dead_letters)))
    return outcome


def compare_letters(outcome: Outcome, garbage: set[int], letters: Iterable[int]) -> None:
    """Compare the numbers of the records that had to become dead letters with those that did."""
    found = Counter(letters)
    outcome.deadlettered = len(garbage & found.keys())
    outcome.deadlettered_again = found.total() - len(found)
    outcome.lost += [f"no dead letter of record {number}" for number in sorted(garbage - found.keys())]
    outcome.wrongly_refused += [f"dead letter of record {number}" for number in sorted(found.keys() - garbage)]


def newest_of(records: Iterable[Planned]) -> dict[str, Planned]:
    """The newest record of each product."""
    newest: dict[str, Planned] = {}
    for record in records:
        if record.product_id:
            known = newest.get(record.product_id)
            if known is None or record.rank > known.rank:
                newest[record.product_id] = record
    return newest


def compare_products(
    outcome: Outcome, newest: dict[str, Planned], stored: dict[str, Entry], last: dict[str, Entry]
) -> None:
    """Compare the newest record of each product with the store, and the store with the last records of the topic."""
    for product_id, sent in newest.items():
        entry = stored.get(product_id)
        if entry is None:
            outcome.lost.append(f"{product_id}: version {sent.version} is not stored")
            continue
        rank = entry.version, entry.is_deletion
        if rank < sent.rank:
            outcome.older.append(f"{product_id}: version {entry.version} is stored, {sent.version} was sent")
        elif rank > sent.rank or entry.text_hash != (sent.text_hash or NO_TEXT):
            outcome.never_sent.append(f"{product_id}: version {entry.version} is stored, {sent.version} was sent")
        outcome.tagged += not entry.is_deletion
        outcome.deleted += entry.is_deletion
        if last.get(product_id) != entry:
            found = last.get(product_id)
            shown = "none" if found is None else f"version {found.version}"
            outcome.topic_disagrees.append(
                f"{product_id}: the last record is {shown}, version {entry.version} is stored"
            )
    outcome.never_sent += [
        f"{product_id}: nobody sent it" for product_id in (stored.keys() | last.keys()) - newest.keys()
    ]


def read_all(bootstrap: str, topic: str) -> Iterator[ConsumerRecord]:
    """Every record of a topic, those of aborted transactions left out, in the order of each partition."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    ) as consumer:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        while True:
            more = consumer.poll(timeout_ms=_QUIET_MS, max_records=10_000)
            for many in more.values():
                yield from many
            if not more and all(consumer.position(at) >= end for at, end in ends.items()):
                return


def stored_entries(redis_url: str, expected: set[str]) -> dict[str, Entry]:
    """What the store holds of these products and of any other."""
    with Redis.from_url(redis_url) as redis:
        ids = expected | {key.decode().split(":", 3)[3] for key in redis.scan_iter(match="ht:p:*", count=_CHUNK)}
    store = RedisTagStore(RedisSettings(url=redis_url))
    try:
        ordered = sorted(ids)
        chunks = [ordered[at : at + _CHUNK] for at in range(0, len(ordered), _CHUNK)]
        found = [entry for chunk in chunks for entry in store.read(chunk)]
        return {entry.product_id: entry for entry in found if entry is not None}
    finally:
        store.close()


def _known(record: ConsumerRecord) -> int:
    number = number_of(record.headers)
    assert number is not None
    return number


def _sent_as(letter: ConsumerRecord, places: dict[tuple[int, int], int]) -> int:
    """The number of a dead letter's record. A truncated letter may have lost the header that holds it."""
    headers = dict(letter.headers)
    number = places[int(headers["hangtag.partition"]), int(headers["hangtag.offset"])]
    assert number_of(letter.headers) in {number, None}
    return number
