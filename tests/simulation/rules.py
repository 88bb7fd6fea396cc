"""The invariants, each checked where something changes, and once more at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from hangtag.records import Partition, Record, TaggedProduct, decode_tags
from hangtag.settings import RedisSettings
from hangtag.store import Entry, Seen
from hangtag.store.keys import product_key, seen_key
from hangtag.store.value import pack, unpack_entry, unpack_mark
from hangtag.tags.blocking import without_blocked
from hangtag.write import entry_of
from tests.simulation.brokers import EVENTS, LETTERS, TAGGED, Brokers
from tests.simulation.group import Group, Member
from tests.simulation.hub import Hub
from tests.simulation.mark_rules import MarkRules
from tests.simulation.model import SCHEMA, WORDS, expected, schema_with, title_of
from tests.simulation.releases import Releases
from tests.tag_rules import violations

if TYPE_CHECKING:
    from tests.simulation.network import Network

Rank = tuple[int, bool]
_BUCKETS = RedisSettings().buckets
_NOTHING: Rank = (-1, False)


class Truth(NamedTuple):
    """What a record of the events is: the rank of its event, if it is one, and whether it can be tagged.

    `version` is what the record says, also where it is no event; None: it does not say it, or not of which product.
    """

    product: str
    version: int | None
    rank: Rank | None
    is_good: bool
    at_ms: int


class Rules:
    """Watches the store, the topics and the commits of one simulation, and ends it where an invariant is broken."""

    def __init__(self, hub: Hub, releases: Releases) -> None:
        self._hub = hub
        self._releases = releases
        self._truths: dict[tuple[Partition, int], Truth] = {}
        self._stored: dict[str, Rank] = {}  # the newest that was ever stored
        self._deleted: dict[str, int] = {}  # the newest version whose deletion was ever stored
        self._values: set[tuple[str, bytes]] = set()  # all that was ever stored
        self._offers: dict[tuple[str, str], Any] = {}  # the rank that a thread offered last, by thread and product
        # What a thread produced in the job that it is in, and when it last asked the store about a product.
        self._produced: dict[str, set[str]] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._set_at: dict[str, float] = {}
        self._last: dict[str, tuple[str, Any]] = {}  # who produced the last record of a product, and its rank
        self._letters: set[tuple[Partition, int]] = set()
        self._replaced: set[tuple[Partition, int]] = set()
        # When which version of a product, or its deletion, was stored, and when which was received.
        self._stored_at: list[tuple[float, str, int]] = []
        self._received_at: list[tuple[float, str, int]] = []
        self.marks = MarkRules(hub, self.held, self.seen)
        self.network: Network

    def expect(self, record: Record, product: str, version: int | None, rank: Rank | None, *, is_good: bool) -> None:
        """A record of the events was produced."""
        self._truths[record.partition, record.offset] = Truth(product, version, rank, is_good, record.timestamp_ms)

    def lose(self, records: Iterable[Record]) -> None:
        """The brokers lost these records of the events."""
        for record in records:
            del self._truths[record.partition, record.offset]
            self._replaced.add((record.partition, record.offset))
            self.marks.forget((record.partition, record.offset))

    def held(self, product: str) -> Entry | None:
        """What the primary holds of a product at this moment."""
        value = self.network.primary.values.get(product_key(product, _BUCKETS))
        return unpack_entry(product, value if isinstance(value, bytes) else None)

    def seen(self, product: str) -> Seen | None:
        """What the primary's mark says of a product at this moment."""
        value = self.network.primary.values.get(seen_key(product, _BUCKETS))
        return unpack_mark(value if isinstance(value, bytes) else None)

    def check_arrivals(self, partition: Partition, before: int, offset: int) -> None:
        """Every version below an offset that the reader of arrivals has committed must be known to the store.

        That is, unless the store has lost data since it was produced, or the brokers had lost another record there.
        """
        for place in range(before, offset):
            truth = self._truths.get((partition, place))
            if truth is not None and truth.version is not None and (partition, place) not in self._replaced:
                self.marks.received(truth.product, truth.version, truth.at_ms)
        self.marks.check()

    def may_be_deleted_since(self, product: str, version: int) -> bool:
        """True if a deletion of this version or a newer one was stored."""
        return self._deleted.get(product, 0) >= version

    def stored_before(self, product: str, when_s: float) -> int:
        """The newest version of a product that was stored by then; 0: none."""
        return _newest(self._stored_at, product, when_s)

    def known_before(self, product: str, when_s: float) -> int:
        """The newest version of a product that the store knew of by then; 0: none."""
        return max(_newest(self._stored_at, product, when_s), _newest(self._received_at, product, when_s))

    def forget(self) -> None:
        """The store has lost data."""
        self._stored_at.clear()
        self._received_at.clear()

    def asked(self, key: str, value: bytes | None) -> None:
        """A thread asks the store about a product, or offers a value to it."""
        if not key.startswith("ht:p:"):
            return
        product, thread = key.rpartition(":")[2], self._hub.current.name
        self._asked[thread, product] = self._hub.now
        entry = unpack_entry(product, value)
        if entry is not None:
            self._offers[thread, product] = entry.rank

    def written(self, thread: str) -> None:
        """A thread has finished a job: what it left on the topic is not older than what it knew to be stored."""
        for product in self._produced.pop(thread, ()):
            last, rank = self._last[product]
            held = self.held(product)
            is_known = self._set_at.get(product, 0.0) < self._asked.get((thread, product), 0.0)
            if last == thread and held is not None and held.rank > rank and is_known:
                self._hub.fail(
                    f"invariant 2: {thread} ends with {tuple(rank)} of {product} as the last record; the store told it "
                    f"of {tuple(held.rank)}"
                )

    def set(self, key: str, old: Any, new: bytes) -> None:
        """The store replaces a value."""
        if key.startswith("ht:seen:") and (mark := unpack_mark(new)) is not None:
            self._received_at.append((self._hub.now, key.rpartition(":")[2], mark.version))
        if not key.startswith("ht:p:"):
            return
        product = key.rpartition(":")[2]
        entry, before = unpack_entry(product, new), unpack_entry(product, old)
        if entry is None:
            self._hub.fail(f"invariant 4: the value of {product} cannot be read")
        if before is not None and entry.rank < before.rank:
            self._hub.fail(f"invariant 2: {tuple(entry.rank)} replaces {tuple(before.rank)} of {product} in the store")
        self._hub.note("stored", product, *entry.rank)
        self._values.add((product, new))
        self._set_at[product] = self._hub.now
        self._stored_at.append((self._hub.now, product, entry.version))
        rank = (entry.version, entry.is_deletion)
        self._stored[product] = max(rank, self._stored.get(product, rank))
        if entry.is_deletion:
            self._deleted[product] = max(entry.version, self._deleted.get(product, 0))
        else:
            self._check_release(product, entry, decode_tags(entry.payload))

    def appended(self, record: Record) -> None:
        """A record arrives on a topic."""
        if record.partition.topic == TAGGED:
            told = entry_of(record.key, record.value, record.headers)
            thread = self._hub.current.name
            self._hub.note("produced", thread, told.product_id, *told.rank)
            self._produced.setdefault(thread, set()).add(told.product_id)
            self._last[told.product_id] = thread, told.rank
            if (told.product_id, pack(told)) not in self._values:
                self._hub.fail(f"invariant 2: {tuple(told.rank)} of {told.product_id} is produced and was never stored")
            offered = self._offers.get((thread, told.product_id), told.rank)
            if told.rank < offered and self._hub.current.stage == "write":
                self._hub.fail(
                    f"invariant 2: a writer of {tuple(offered)} of {told.product_id} produces {tuple(told.rank)}"
                )
        elif record.partition.topic == LETTERS:
            self._lettered(record)

    def _lettered(self, record: Record) -> None:
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        place = Partition(EVENTS, int(headers["hangtag.partition"])), int(headers["hangtag.offset"])
        truth = self._truths.get(place)
        if truth is None or str(truth.at_ms) != headers["hangtag.timestamp"]:
            return  # the brokers have lost the record
        if truth.is_good:
            why = headers["hangtag.message"]
            self._hub.fail(f"invariant 3: {truth.product} {truth.rank} is in order and became a dead letter: {why}")
        self._letters.add(place)
        self.marks.lettered(place)

    def _check_release(self, product: str, entry: Entry, found: TaggedProduct) -> None:
        """Tags must be those of the release whose sequence they have: of its bundle, and without what it blocks.

        A process that has not loaded the newest bundle yet obeys its blocked tags already.
        """
        bundle = self._releases.bundle_of(entry.sequence)
        if entry.sequence and bundle != found.bundle_version:
            self._hub.fail(f"invariant 5: {product} {found.version} has tags of another bundle than {entry.sequence}")
        self._check_rules(product, found)
        tags = [each.tag for each in found.tags.tags]
        allowed = self._releases.blocked_since(entry.sequence)
        if all(tags != _names(found, product, blocked) for blocked in allowed):
            self._hub.fail(f"invariant 5: {product} {found.version} at {entry.sequence} has {tags}, blocked: {allowed}")

    def check_tags(self, product: str, found: TaggedProduct, blocked: Collection[str] = ()) -> None:
        """Tags that are served must be those of the product's text, without what is blocked and what depends on it."""
        self._check_rules(product, found)
        tags = [each.tag for each in (*found.tags.tags, *found.tags.review)]
        if wrong := set(tags) & set(blocked):
            self._hub.fail(f"invariant 4: {product} {found.version} is served with {wrong}, blocked for some time")
        stored = {(), *(pointer.blocked for pointer in self._releases.all)}
        if all(
            tags != served for first in stored for then in stored for served in _served(found, product, first, then)
        ):
            self._hub.fail(f"invariant 5: {product} {found.version} is served with {tags}")

    def _check_rules(self, product: str, found: TaggedProduct) -> None:
        if broken := violations(SCHEMA, found.tags):
            self._hub.fail(f"invariant 4: the tags of {product} {found.version} break a rule: {broken}")
        title = title_of(product, found.version)
        for tag in found.tags.tags:
            if tag.tag in WORDS and not any(word in title.split() for word in WORDS[tag.tag]):
                self._hub.fail(f"invariant 4: {tag.tag} is AUTO although {product} {found.version} does not name it")

    def check_commit(self, partition: Partition, before: int, offset: int) -> None:
        """Every record below a committed offset must be settled."""
        for place in range(before, offset):
            truth = self._truths.get((partition, place))
            if truth is not None and not self._is_settled(partition, place, truth):
                self._hub.fail(
                    f"invariant 1: {offset} of {partition.number} is committed; {place} ({truth.product} {truth.rank}) "
                    "is not settled"
                )
            if truth is not None and truth.version is not None:
                self.marks.settled((partition, place), truth.product, truth.version)
        self.marks.check()

    def _is_settled(self, partition: Partition, offset: int, truth: Truth) -> bool:
        is_stored = truth.rank is not None and self._stored.get(truth.product, _NOTHING) >= truth.rank
        return is_stored or (partition, offset) in self._letters

    def check_end(self, brokers: Brokers) -> None:
        """Once all is settled: the newest of each product is in the store, and is the topic's last record of it."""
        self.marks.check()
        newest: dict[str, Rank] = {}
        for (partition, offset), truth in self._truths.items():
            if truth.is_good and truth.rank is not None:
                newest[truth.product] = max(truth.rank, newest.get(truth.product, truth.rank))
            elif not self._is_settled(partition, offset, truth):
                self._hub.fail(f"invariant 1: record {offset} of {partition.number} is no dead letter")
        last: dict[str, Entry] = {}
        for partition in brokers.partitions[TAGGED]:
            for record in brokers.logs[partition]:
                entry = entry_of(record.key, record.value, record.headers)
                last[entry.product_id] = entry
        for product, produced in newest.items():
            rank = max(produced, self._stored.get(product, produced))  # brokers may have lost what was stored
            held, told = self.held(product), last.get(product)
            if held is None or (held.version, held.is_deletion) != rank:
                found = None if held is None else tuple(held.rank)
                self._hub.fail(f"invariant 2: the store holds {found} of {product}; the newest is {rank}")
            if told != held:
                known = None if told is None else tuple(told.rank)
                self._hub.fail(
                    f"invariant 2: the last record of {product} is {known}, the store has {tuple(held.rank)}"
                )


def _names(found: TaggedProduct, product: str, blocked: tuple[str, ...]) -> list[str]:
    return [each.tag for each in expected(found.bundle_version, product, found.version, blocked).tags]


def _served(
    found: TaggedProduct, product: str, blocked: tuple[str, ...], blocked_since: tuple[str, ...]
) -> Iterator[list[str]]:
    """What is served of tags that were stored while some were blocked: as they are, or without those blocked since."""
    tags = expected(found.bundle_version, product, found.version, blocked)
    auto, review = ({each.tag: each.source for each in some} for some in (tags.tags, tags.review))
    yield [*auto, *review]
    gone = without_blocked(auto, review, blocked_since, schema_with(()))
    yield [tag for tag in (*auto, *review) if tag not in gone]


def _newest(events: Iterable[tuple[float, str, int]], product: str, when_s: float) -> int:
    return max((version for at, name, version in events if name == product and at < when_s), default=0)


class WatchedGroup(Group):
    """A group whose commits are checked: `on_commit` gets the partition, the offset before and the new one."""

    def __init__(self, hub: Hub, partitions: list[Partition], on_commit: Callable[[Partition, int, int], None]) -> None:
        super().__init__(hub, partitions)
        self._on_commit = on_commit

    def commit(self, member: Member, offsets: dict[Partition, tuple[int, str]]) -> bool:
        """See `Group.commit`."""
        before = {partition: self.committed.get(partition, (0, ""))[0] for partition in offsets}
        is_taken = super().commit(member, offsets)
        if is_taken:
            for partition, (offset, _) in offsets.items():
                self._on_commit(partition, before[partition], offset)
        return is_taken
