"""Writers on threads that take turns: a seed decides who makes the next call to the store or the brokers."""

import random
import threading
from collections.abc import Callable, Sequence

from hangtag.records import Partition, Record
from hangtag.store import Arrival, Entry, MemoryTagStore, Reply
from hangtag.write import SinkError, record_of

TAGGED = Partition("products.tagged", 0)


class KilledError(BaseException):
    """A writer's process ends here."""


class Turns:
    """Runs functions on threads of which one runs at a time; each call of `turn` passes the turn on."""

    def __init__(self, seed: int):
        self.dice = random.Random(seed)
        self._waiting: dict[int, threading.Semaphore] = {}
        self._main = threading.Semaphore(0)
        self._to_kill: set[int] = set()
        self.errors: list[BaseException] = []

    def start(self, *functions: Callable[[], None]) -> None:
        for function in functions:
            ready = threading.Semaphore(0)
            thread = threading.Thread(target=self._run, args=(function, ready), daemon=True)
            thread.start()
            self._waiting[thread.ident or 0] = ready

    def turn(self) -> None:
        """Called by a writer before each step of its own."""
        me = threading.get_ident()
        self._main.release()
        assert self._waiting[me].acquire(timeout=10)
        if me in self._to_kill:
            raise KilledError

    def run(self, between: Callable[[], None]) -> None:
        """Let them take turns until all have ended; `between` runs between two turns, on this thread."""
        while self._waiting:
            self._let(self.dice.choice(sorted(self._waiting)))
            between()

    def kill_one(self) -> None:
        """One of the writers ends in the middle of what it does."""
        if self._waiting:
            victim = self.dice.choice(sorted(self._waiting))
            self._to_kill.add(victim)
            self._let(victim)

    def _let(self, ident: int) -> None:
        self._waiting[ident].release()
        assert self._main.acquire(timeout=10)

    def _run(self, function: Callable[[], None], ready: threading.Semaphore) -> None:
        assert ready.acquire(timeout=10)
        try:
            if threading.get_ident() not in self._to_kill:
                function()
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001 (shown by the test)
            self.errors.append(error)
        del self._waiting[threading.get_ident()]
        self._main.release()


class SharedStore:
    """One writer's connection to the store that all share."""

    def __init__(self, store: MemoryTagStore, turns: Turns):
        self._store = store
        self._turns = turns
        self.identity = store.identity

    def expect(self, identities: Sequence[str]) -> None:
        self._store.expect(identities)

    def mark_seen(self, arrivals: Sequence[Arrival]) -> None:
        self._store.mark_seen(arrivals)

    def mark_refused(self, arrivals: Sequence[Arrival]) -> None:
        self._store.mark_refused(arrivals)

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        self._turns.turn()
        return self._store.write(entries)

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        self._turns.turn()
        return self._store.read(product_ids)

    def close(self) -> None:
        pass


class Topic:
    """A partition of `products.tagged`, and the records that are on their way to it."""

    def __init__(self) -> None:
        self.log: list[Record] = []
        self.in_flight: list[Entry] = []

    def append(self, entry: Entry) -> None:
        key, value, headers = record_of(entry)
        self.log.append(Record(TAGGED, len(self.log), 0, key, value, tuple(headers)))

    def deliver_one(self, dice: random.Random) -> None:
        """A record arrives late, after its writer got an error for it."""
        if self.in_flight:
            self.append(self.in_flight.pop(dice.randrange(len(self.in_flight))))


class FlakySink:
    """One writer's producer. A flush may fail, and what it sent then arrives at once, later or never."""

    def __init__(self, topic: Topic, turns: Turns, failures: float):
        self._topic = topic
        self._turns = turns
        self._failures = failures
        self._queued: list[Entry] = []

    def tagged(self, entry: Entry) -> None:
        self._queued.append(entry)

    def dead_letter(self, *_: object) -> None:
        msg = "updates of these tests have no dead letters"
        raise AssertionError(msg)

    def retract_tags(self) -> None:
        self._queued.clear()

    def flush(self) -> None:
        for entry in list(self._queued):
            self._turns.turn()
            fate = self._turns.dice.random() / self._failures if self._failures else 1.0
            if fate < 1.0:
                if fate < 1 / 3:
                    self._topic.append(entry)
                elif fate < 2 / 3:
                    self._topic.in_flight.append(entry)
                msg = "no acknowledgement"
                raise SinkError(msg)
            self._topic.append(entry)
            self._queued.remove(entry)

    def close(self) -> None:
        pass
