"""What the store must know of versions that were received: the rules of the marks."""

from __future__ import annotations

from collections.abc import Callable

from hangtag.records import Partition
from hangtag.store import Entry, Seen
from tests.simulation.hub import Hub, SimClock

Place = tuple[Partition, int]


class MarkRules:
    """Watches the marks in the primary, and ends the simulation where something that was told to the store is missing.

    `held` and `seen` say what the primary holds of a product at this moment.
    """

    def __init__(self, hub: Hub, held: Callable[[str], Entry | None], seen: Callable[[str], Seen | None]) -> None:
        self._hub, self._held, self._seen = hub, held, seen
        self._losses = 0
        self._lost_ms = 0
        self._received: dict[str, int] = {}  # the newest version that the reader of arrivals has marked
        self._refused: dict[str, int] = {}  # the newest version that is settled as a dead letter
        self._letters: dict[Place, int] = {}  # how many losses there had been when the letter arrived

    def lose(self) -> None:
        """The store has lost data, marks perhaps included."""
        self._losses += 1
        self._lost_ms = SimClock(self._hub).wall_ms()
        self._received.clear()
        self._refused.clear()

    def received(self, product: str, version: int, at_ms: int) -> None:
        """The reader of arrivals has committed the offset behind a version that was produced at that time."""
        if at_ms > self._lost_ms:
            self._received[product] = max(version, self._received.get(product, 0))

    def lettered(self, place: Place) -> None:
        """The dead letter of a record has arrived."""
        self._letters[place] = self._losses

    def forget(self, place: Place) -> None:
        """The brokers have lost a record."""
        self._letters.pop(place, None)

    def settled(self, place: Place, product: str, version: int) -> None:
        """The offset behind a record is committed. If it is a dead letter, its version is labelled from now on."""
        if self._letters.get(place) == self._losses:
            self._refused[product] = max(version, self._refused.get(product, 0))

    def check(self) -> None:
        """A received version is never unknown, and that one was refused is never forgotten."""
        for product, version in self._received.items():
            held, seen = self._held(product), self._seen(product)
            known = max(-1 if held is None else held.version, -1 if seen is None else seen.version)
            if known < version:
                self._hub.fail(f"marks: version {version} of {product} was received, and the store knows of {known}")
        for product, version in self._refused.items():
            held, seen = self._held(product), self._seen(product)
            is_newer_held = held is not None and held.version >= version
            if not is_newer_held and (seen is None or seen.refused < version):
                self._hub.fail(f"marks: version {version} of {product} was refused, and the store says {seen}")
