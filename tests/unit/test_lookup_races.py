"""What look-ups say about freshness, over many random interleavings of writes, records, reads, outages and expiry.

The store's client, its scripts, the gate, the cache, the reader and the verdicts are the shipped ones; the connection
to the store, the clocks and who runs when are simulated.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from unittest.mock import patch

import pytest

from hangtag.records import Partition, Record
from hangtag.server.cache import Cache
from hangtag.server.cached_reader import CachedReader, LookedUp, PartlyFoundError
from hangtag.server.change import Change
from hangtag.server.freshness import freshness
from hangtag.server.store_gate import StoreGate
from hangtag.settings import RedisSettings, ServerSettings
from hangtag.store import Arrival, Entry, RedisTagReader, RedisTagStore, StoreError, links
from hangtag.v1 import tags_pb2
from tests.simulation.hub import START_MS, Hub, SimClock
from tests.simulation.network import Network, SimLink
from tests.simulation.store import Server

STORIES = 10_000
# Each part is a test, so that processes of a test run share them.
PARTS = 4
PRODUCTS = ("p", "q", "r")
WRITERS, CALLERS, CALLS = 2, 3, 3
MOST_STEPS = 5_000
REDIS = RedisSettings()


class Story:
    """Writers, callers, the follower and the store watch of one server, and what was known when."""

    def __init__(self, seed: int) -> None:
        self.hub = Hub(seed)
        self.dice = self.hub.dice("story")
        clock = SimClock(self.hub)
        self.network = SimLink.network = Network(self.hub, Server(self.hub, _ignore), _ignore)
        self.settings = ServerSettings(
            cache_ttl_ms=self.dice.choice((0, 0, 30, 3_000)), cache_stale_s=self.dice.choice((0, 0.1, 300))
        )
        self.gate = StoreGate(RedisTagReader(REDIS, clock))
        self.cache = Cache(self.dice.choice((2, 100)), clock)
        self.reader = CachedReader(self.gate, self.cache, self.settings, clock)
        self.clock = clock
        self.log: list[Change] = []
        # What was acknowledged to writers, and told to the cache: when, product, version.
        self.acknowledged: list[tuple[float, str, int]] = []
        self.told: list[tuple[float, str, int]] = []
        self.checked = self.waiting = 0

    def run(self) -> str:
        """The rule that was broken, if any."""
        for number in range(WRITERS):
            self.hub.spawn(f"writer-{number}", self.write)
        for number in range(CALLERS):
            self.waiting += 1
            self.hub.spawn(f"caller-{number}", self.call)
        for name in ("follow", "watch", "break_things"):
            self.hub.spawn(name, getattr(self, name))
        self.hub.run(lambda: not self.waiting, MOST_STEPS)
        failure = self.hub.failure
        self.hub.close()
        return failure

    def pause(self, most_s: float) -> None:
        self.hub.pause(self.hub.current.dice.random() ** 3 * most_s)

    def write(self) -> None:
        store, dice = RedisTagStore(REDIS), self.hub.current.dice
        for _ in range(3):
            self.pause(0.04)
            product, version = dice.choice(PRODUCTS), dice.randrange(1, 5)
            fate = dice.random()
            if fate < 0.6:
                mark = store.mark_refused if fate < 0.1 else store.mark_seen
                self.until_it_works(
                    lambda mark=mark, product=product, version=version: mark([Arrival(product, version)])
                )
                self.acknowledged.append((self.hub.now, product, version))
                self.pause(0.04)
            if fate < 0.1:
                continue  # a dead letter
            payload = b"" if dice.random() < 0.2 else f"{product} {version} {dice.random()}".encode()
            entry = Entry(product, version, payload, bundle_prefix=dice.randbytes(8))
            self.until_it_works(lambda entry=entry: store.write([entry]))
            self.acknowledged.append((self.hub.now, product, version))
            self.pause(0.02)
            self.until_it_works(lambda product=product: self.produce(store, product))

    def until_it_works(self, ask: Callable[[], object]) -> None:
        while True:
            try:
                ask()
            except StoreError:
                self.pause(0.1)
            else:
                return

    def produce(self, store: RedisTagStore, product: str) -> None:
        """As a writer does, what the store holds."""
        (held,) = store.read([product])
        if held is not None:
            headers = (("hangtag.version", str(held.version).encode()),)
            record = Record(Partition("tagged", 0), len(self.log), 0, product.encode(), held.payload or None, headers)
            self.log.append(Change.of(record))

    def follow(self) -> None:
        dice, read = self.hub.current.dice, 0
        while True:
            self.pause(0.05)
            changes, read = self.log[read:], len(self.log)
            if dice.random() < 0.1:
                self.cache.missed()
            elif changes:
                self.cache.take(changes)
            self.told += [(self.hub.now, each.product_id, each.version) for each in changes]

    def watch(self) -> None:
        while True:
            self.pause(0.2)
            with suppress(StoreError):
                self.gate.check()

    def break_things(self) -> None:
        dice = self.hub.current.dice
        for _ in range(2):
            self.pause(0.15)
            fault = dice.choice(("away_until", "slow_until", "lossy_until", "none_until"))
            setattr(self.network, fault, self.hub.now + dice.random() * 0.2)

    def call(self) -> None:
        dice = self.hub.current.dice
        for _ in range(CALLS):
            self.pause(0.06)
            ids = dice.choices(PRODUCTS, k=dice.randrange(1, 4))
            min_versions = [dice.choice((0, 0, 0, 1, 3)) for _ in ids] if dice.random() < 0.5 else []
            began_s = self.hub.now
            try:
                found: Sequence[LookedUp | None] = self.reader.read(ids, min_versions)
            except PartlyFoundError as error:
                found = error.found
            except StoreError:
                continue
            if len(found) != len(ids):
                self.hub.fail(f"{len(found)} answers for {len(ids)} products")
            for product, version, each in zip(ids, min_versions or [0] * len(ids), found, strict=True):
                if each is not None:
                    self.check(product, version, began_s, each)
        self.waiting -= 1

    def check(self, product: str, min_version: int, began_s: float, found: LookedUp) -> None:
        self.checked += 1
        now, settings = self.hub.now, self.settings
        as_of_s = (found.as_of_ms - START_MS) / 1_000
        held = -1 if found.stored.version is None else found.stored.version
        verdict = freshness(found.stored, min_version, found.is_degraded)
        known = self.newest(self.acknowledged, product, as_of_s)
        if as_of_s > now:
            self.hub.fail(f"as_of {as_of_s} is in the future of {now}")
        if verdict.state == tags_pb2.FRESHNESS_FRESH and held < max(known, min_version):
            self.hub.fail(f"{product} {held} is FRESH at {as_of_s}; {known} was known, {min_version} asked for")
        if found.is_degraded:
            if min_version or as_of_s < now - settings.cache_stale_s - 0.001:
                self.hub.fail(f"{product} of {as_of_s} is returned at {now} without the store")
            return
        oldest_s = began_s - (0 if min_version else settings.cache_ttl_ms / 1_000) - 0.001
        if as_of_s < oldest_s:
            self.hub.fail(f"{product} of {as_of_s} is returned at {now}; the oldest allowed is of {oldest_s}")
        told = self.newest(self.told, product, began_s)
        if held < told:
            self.hub.fail(f"{product} {held} is returned, {told} was on products.tagged before the call")

    def newest(self, events: Sequence[tuple[float, str, int]], product: str, before_s: float) -> int:
        return max((version for when, name, version in events if name == product and when < before_s), default=-1)


def _ignore(*_: object) -> None:
    pass


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", range(PARTS))
def test_freshness_is_true_in_every_interleaving(part: int) -> None:
    checked, seeds = 0, range(part, STORIES, PARTS)
    with patch.object(links, "Link", SimLink):
        for seed in seeds:
            story = Story(seed)
            assert story.run() == "", f"seed {seed}"
            checked += story.checked
    assert checked > len(seeds)
