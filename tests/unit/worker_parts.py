"""A worker with its real planner, tracker and loop over parts in memory, driven step by step."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from types import SimpleNamespace

import numpy as np
import orjson

from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.errors import OutOfMemory
from hangtag.records import KeptText, KeptVector, Partition, Record
from hangtag.settings import WorkerSettings
from hangtag.store import Arrival, Entry, MemoryTagStore, StoreError
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.telemetry import Heartbeats
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.workers import Change, Poll, StageThreads, Unreadable, Worker
from hangtag.workers.contact import KAFKA_BEAT
from hangtag.write import Reason, SinkError, record_of

EVENTS = "products.events"


class Clock:
    """Time that passes only when a test moves it."""

    def __init__(self):
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return int(self.now * 1_000)


class Inline(Executor):
    """Runs a call when it is submitted, or when `run_next` says so."""

    def __init__(self, *, held: bool = False):
        self.held = held
        self.calls: list[Callable[[], None]] = []

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()

        def call() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001
                future.set_exception(error)

        if self.held:
            self.calls.append(call)
        else:
            call()
        return future

    def run_next(self) -> None:
        self.calls.pop(0)()


class MemorySource:
    """A topic in memory with the behaviour that `RecordSource` asks for."""

    def __init__(self, clock: Clock):
        self.clock = clock
        self.log: dict[Partition, list[Record]] = defaultdict(list)
        self.committed: dict[Partition, int] = {}
        self.identities: dict[Partition, str] = {}
        self.next_offsets: dict[Partition, int] = {}
        self.changes: list[Change] = []
        self.is_paused = False
        self.refuses_commits = False
        self.markers: dict[Partition, int] = {}
        self.unreadable: dict[Record, Unreadable] = {}
        self.polls = 0
        self.answered_s = clock.now
        self.is_away = False
        self.known_ends: dict[Partition, int] = {}

    def append(self, value, key: bytes | None = None, number: int = 0, headers=(), gap: int = 0) -> Record:
        partition = Partition(EVENTS, number)
        log = self.log[partition]
        offset = (log[-1].offset + 1 if log else 0) + gap
        raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
        log.append(Record(partition, offset, 1_700_000_000_000, key, raw, tuple(headers)))
        return log[-1]

    def assign(self, number: int = 0) -> None:
        partition = Partition(EVENTS, number)
        self.next_offsets[partition] = self.committed.get(partition, 0)
        identity, committed = self.identities.get(partition, ""), self.committed.get(partition, -1)
        self.changes.append(Change(partition, is_assigned=True, store_identity=identity, committed=committed))

    def revoke(self, number: int = 0) -> None:
        partition = Partition(EVENTS, number)
        del self.next_offsets[partition]
        self.changes.append(Change(partition, is_assigned=False))

    def poll(self, timeout_s: float, max_records: int) -> Poll:
        self.polls += 1
        self.clock.now += timeout_s
        changes, self.changes = tuple(self.changes), []
        if not self.is_away:
            self.answered_s = self.clock.now
        records: list[Record | Unreadable] = []
        if not self.is_paused:
            for partition in self.next_offsets:
                found = self._rest(partition)[: max_records - len(records)]
                records += found
                if found:
                    self.next_offsets[partition] = found[-1].offset + 1
        return Poll(changes, tuple(self.unreadable.get(record, record) for record in records))

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def commit(self, offsets: Mapping[Partition, int], store_identity: str) -> bool:
        if self.refuses_commits:
            return False
        self.committed.update(offsets)
        self.identities.update(dict.fromkeys(offsets, store_identity))
        return True

    def positions(self) -> Mapping[Partition, int]:
        """A partition that is read to its end is past the markers behind its last record."""
        return {
            partition: position + (0 if self._rest(partition) else self.markers.get(partition, 0))
            for partition, position in self.next_offsets.items()
        }

    def ends(self) -> Mapping[Partition, int]:
        if not self.is_away:
            self.known_ends = {
                partition: (self.log[partition][-1].offset + 1 if self.log[partition] else 0)
                + self.markers.get(partition, 0)
                for partition in self.next_offsets
            }
        return self.known_ends

    def _rest(self, partition: Partition) -> list[Record]:
        return [one for one in self.log[partition] if one.offset >= self.next_offsets[partition]]

    def last_answer_s(self) -> float:
        return self.answered_s

    def close(self) -> None:
        pass


class MemorySink:
    """Topics in memory; what is queued is delivered by `flush`."""

    def __init__(self):
        self.queued: list[tuple] = []
        self.tags: list[tuple[str, bytes | None]] = []
        self.headers: list[dict[str, str]] = []
        self.dead: list[tuple[Record, Reason]] = []
        self.texts: list[KeptText] = []
        self.vectors: list[KeptVector] = []
        self.is_down = False

    def text(self, kept: KeptText) -> None:
        self.queued.append((kept, None))

    def vector(self, kept: KeptVector) -> None:
        self.queued.append((kept, None))

    def tagged(self, entry: Entry) -> None:
        self.queued.append((entry, None))

    def dead_letter(self, record: Record, reason: Reason, bundle_version: str) -> None:  # noqa: ARG002
        self.queued.append((record, reason))

    def retract_tags(self) -> None:
        self.queued = [each for each in self.queued if not isinstance(each[0], (Entry, KeptText, KeptVector))]

    def flush(self) -> None:
        if self.is_down:
            msg = "no broker"
            raise SinkError(msg)
        for first, second in self.queued:
            if isinstance(first, KeptText):
                self.texts.append(first)
            elif isinstance(first, KeptVector):
                self.vectors.append(first)
            elif isinstance(first, Entry):
                record = record_of(first)
                self.tags.append((record.key.decode(), record.value))
                self.headers.append({name: value.decode() for name, value in record.headers})
            else:
                self.dead.append((first, second))
        self.queued = []

    def close(self) -> None:
        pass


class FailingStore(MemoryTagStore):
    """A store in memory that fails while `error` is set, and remembers in which order products were seen."""

    def __init__(self):
        super().__init__()
        self.marks: list[Arrival] = []
        self.error: Exception | None = None

    def expect(self, identities: Sequence[str]) -> None:
        self._check()
        super().expect(identities)

    def mark_seen(self, arrivals: Sequence[Arrival]) -> None:
        self._check()
        self.marks += arrivals
        super().mark_seen(arrivals)

    def mark_refused(self, arrivals: Sequence[Arrival]) -> None:
        self._check()
        super().mark_refused(arrivals)

    def write(self, entries: Sequence[Entry]) -> list:
        self._check()
        return super().write(entries)

    def read(self, product_ids: Sequence[str]) -> list:
        self._check()
        return super().read(product_ids)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


class FakeTagger:
    """Tags a text by its first word. `poison` fails the forward, more than `room` texts do not fit the memory."""

    def __init__(self, version: str = "a" * 64, room: int = 10_000):
        self.bundle = SimpleNamespace(version=version, manifest=SimpleNamespace(name="fake"), schema=None)
        self.engine = SimpleNamespace(name="fake", cost=CostModel(Padding.LONGEST, 512))
        self.room = room
        self.is_down = False
        self.batches: list[int] = []
        self.words: list[str] = []

    def encode(self, texts: Sequence[ProductText]) -> list[Tokens]:
        result = []
        for text in texts:
            words = text.first.split() or ["none"]
            if words[0] == "untokenisable":
                msg = "no tokens"
                raise ValueError(msg)
            if words[0] not in self.words:
                self.words.append(words[0])
            ids = np.asarray([self.words.index(words[0]), *([0] * len(words))], np.int32)
            result.append(Tokens(ids, np.zeros_like(ids)))
        return result

    def forward(self, tokens: Sequence[Tokens]) -> np.ndarray:
        self.batches.append(len(tokens))
        if len(tokens) > self.room:
            msg = "too large"
            raise OutOfMemory(msg)
        if self.is_down or any(self.words[one.ids[0]] == "poison" for one in tokens):
            msg = "CUDA error"
            raise RuntimeError(msg)
        return np.asarray([[one.ids[0]] for one in tokens], np.float32)

    def decode(self, logits: np.ndarray, kinds: Sequence[TextKind]) -> list[TagSet]:
        assert list(kinds) == [TextKind.PRODUCT] * len(logits)
        return [
            TagSet((ScoredTag(f"word:{self.words[int(row[0])]}", 1.0, Source.MODEL, Band.AUTO),), ()) for row in logits
        ]


def event(product_id: str, version: int, title: str = "shoe", kind: str = "UPDATED") -> dict:
    return {"type": kind, "product": {"product_id": product_id, "version": version, "title": title}}


class House:
    """Everything around one worker. `restart` gives a new worker over the same source, sink and store."""

    def __init__(
        self, tagger: FakeTagger | None = None, *, held: bool = False, keeps_vectors: bool = False, **settings
    ):
        self.clock = Clock()
        self.source = MemorySource(self.clock)
        self.sink = MemorySink()
        self.store = FailingStore()
        self.in_use = TaggerInUse(tagger or FakeTagger())
        self.settings = WorkerSettings(**settings)
        self.held, self.keeps_vectors = held, keeps_vectors
        self.start()
        self.source.assign()

    @property
    def tagger(self) -> FakeTagger:
        return self.in_use.current.tagger

    def start(self) -> None:
        self.threads = StageThreads(*(Inline(held=self.held) for _ in range(3)))
        self.beats = Heartbeats(self.clock, {"poll": 30, "batch": 120, KAFKA_BEAT: math.inf})
        self.worker = Worker(
            source=self.source,
            sink=self.sink,
            store=self.store,
            in_use=self.in_use,
            threads=self.threads,
            clock=self.clock,
            beats=self.beats,
            settings=self.settings,
            keeps_texts=True,
            keeps_vectors=self.keeps_vectors,
        )

    def restart(self) -> None:
        """As after a crash: what was not committed is read again."""
        self.source.is_paused = False
        self.source.changes = []
        for partition in list(self.source.next_offsets):
            self.source.assign(partition.number)
        self.sink.queued = []
        self.start()

    def steps(self, count: int = 60) -> None:
        for _ in range(count):
            self.worker.step()

    def committed(self, number: int = 0) -> int:
        return self.source.committed.get(Partition(EVENTS, number), 0)

    def versions(self) -> dict[str, int]:
        return {product: entry.version for product, entry in self.store.entries.items()}


def store_down() -> StoreError:
    return StoreError("the store does not answer")
