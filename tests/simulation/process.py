"""A worker's process: the shipped loop, stages, tail reader and clients, with threads that are actors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from hangtag.settings import KafkaSettings, RedisSettings, WorkerSettings
from hangtag.store import RedisTagStore, StoreError, StoreMismatchError
from hangtag.telemetry import Heartbeats
from hangtag.workers import SourceError, StageError, StageThreads, Worker
from hangtag.workers.program import LIMITS_S
from hangtag.workers.tail import TailRepair
from hangtag.workers.tail_reader import TailReader
from hangtag.write import KafkaSink, SinkError
from tests.simulation.hub import Actor, Killed, SimClock, SimEvent
from tests.simulation.model import Trouble
from tests.simulation.releases import Following, Start
from tests.simulation.source import SimConsumer, SimSource

if TYPE_CHECKING:
    from tests.simulation.world import World

_DRAIN_S = 20.0
# Turns of the loop until it has noticed what a stage left.
_NOTICED_AFTER = 3


class Stage(Executor):
    """The thread of a stage."""

    def __init__(self, process: Process, name: str, waiting_stage: str) -> None:
        self._process = process
        self._hub = process.world.hub
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._waiting_stage = waiting_stage
        self._is_idle = True
        self._actor = process.spawn(name, self._work)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor`."""
        future: Future[Any] = Future()
        self._calls.append((future, lambda: fn(*args, **kwargs)))
        self._actor.stage = self._actor.stage or self._waiting_stage
        if self._is_idle:
            self._is_idle = False
            self._hub.wake(self._actor, self._actor.dice.choice((0.0, 0.001, 0.004)))
        return future

    def _work(self) -> None:
        while True:
            while self._calls:
                future, call = self._calls.popleft()
                try:
                    result = call()
                except Killed:
                    raise
                except BaseException as error:  # noqa: BLE001 (as a thread of a pool does)
                    if isinstance(error, SinkError):
                        self._process.cannot_write()
                    if not isinstance(error, StoreError | SinkError) or isinstance(error, StoreMismatchError):
                        self._process.stage_died(error)
                    future.set_exception(error)
                else:
                    if self._waiting_stage == "write":
                        self._process.has_written()
                    future.set_result(result)
                self._actor.stage = self._waiting_stage if self._calls else ""
                if self._calls:
                    self._hub.pause(0.0005)
            self._is_idle = True
            self._hub.block()


class SimTailReader(TailReader):
    """The shipped tail reader with a simulated consumer, on an actor in place of its thread."""

    def __init__(self, process: Process, *args: Any) -> None:
        super().__init__(*args)
        self._process = process
        self._stop = SimEvent(process.world.hub)  # type: ignore[assignment]

    def _connect(self) -> SimConsumer:  # type: ignore[override]
        world = self._process.world
        return SimConsumer(world.brokers, world.tail_group, f"{self._process.name}-tail", self._process.clock)

    def work(self) -> None:
        """What its thread runs."""
        self._process.world.hub.current.stage = "tail"
        self._work()


class Process:
    """One worker's process, from its start to its end."""

    def __init__(self, world: World, name: str, start: Start, settings: WorkerSettings) -> None:
        self.world, self.name = world, name
        self.clock = SimClock(world.hub)
        self.trouble = Trouble()
        self.actors: list[Actor] = []
        self.is_alive = True
        self.has_bug = False
        self.frozen_until = 0.0
        self._turns = 0
        self._died_at: int | None = None
        self._worker: Worker | None = None
        self._cannot_write_since: int | None = None
        self._polled_before = 0
        self._stop = SimEvent(world.hub)
        self._settings = settings
        self.following = Following(self, start)
        self.beats = Heartbeats(self.clock, LIMITS_S)
        self.main = self.spawn("main", self._run)

    def spawn(self, name: str, function: Callable[[], None]) -> Actor:
        """Start a thread of the process."""
        actor = self.world.hub.spawn(f"{self.name}-{name}", function)
        actor.owner = self
        self.actors.append(actor)
        return actor

    def kill(self) -> None:
        """End the process where it stands."""
        self.is_alive = False
        for actor in self.actors:
            self.world.hub.kill(actor)

    def close(self) -> None:
        """Leave the groups, as the end of the program does, and end all threads."""
        self.source.close()
        self.kill()

    def terminate(self) -> None:
        """Ask the process to stop."""
        self._stop.set()

    def freeze(self, seconds: float) -> None:
        """Let the process do nothing for some time."""
        for actor in self.actors:
            actor.frozen_until = self.frozen_until = self.world.hub.now + seconds

    def hang(self) -> None:
        """The engine never answers again."""
        self.trouble.hangs = self.source.is_hanging = True

    @property
    def is_frozen(self) -> bool:
        """True while the process does nothing."""
        return self.world.hub.now < self.frozen_until

    @property
    def is_writing(self) -> bool:
        """True if a write is running or will be tried again."""
        return self.is_alive and self._worker is not None and bool(self._worker._jobs)

    @property
    def is_healthy(self) -> bool:
        """What liveness would find."""
        return all(pulse.is_healthy for pulse in self.beats.pulses())

    def stage_died(self, error: BaseException) -> None:
        """A stage ended with an error that is no failure of Redis or Kafka: the process has to end."""
        self.world.hub.note(self.name, "stage died", type(error).__name__)
        self._died_at = self._turns

    def cannot_write(self) -> None:
        """The brokers did not acknowledge results."""
        if self._cannot_write_since is None:
            self._cannot_write_since = self._turns

    def has_written(self) -> None:
        """A job of the write stage succeeded."""
        self.world.rules.written(self.world.hub.current.name)
        self._cannot_write_since = None

    def _check_turn(self) -> None:
        """After a turn of the loop."""
        self._turns += 1
        if self._died_at is not None and self._turns > self._died_at + _NOTICED_AFTER:
            self.world.hub.fail(f"invariant 6: a stage of {self.name} died and the process goes on")
        since, polled = self._cannot_write_since, self.source.polled
        if since is not None and self._turns > since + _NOTICED_AFTER and polled > self._polled_before:
            self.world.hub.fail(f"invariant 1: {self.name} polls on although its results cannot be written")
        self._polled_before = polled

    def _run(self) -> None:
        world, hub = self.world, self.world.hub
        hub.current.stage = "poll"
        kafka, redis = KafkaSettings(), RedisSettings()
        store = RedisTagStore(redis)
        self.sink = KafkaSink(kafka)
        self.source = SimSource(world.brokers, world.group, self.name, self.clock)
        repair = TailRepair(store, KafkaSink(kafka, "hangtag-tail"))
        tail = SimTailReader(self, kafka, repair, self.beats, self.clock, self.stage_died)
        if world.schedule.has_tail:
            self.spawn("tail", tail.work)
        worker = self._worker = Worker(
            source=self.source,
            sink=self.sink,
            store=store,
            in_use=self.following.in_use,
            threads=StageThreads(
                Stage(self, "encode", "decode"), Stage(self, "forward", "batch"), Stage(self, "write", "write")
            ),
            clock=self.clock,
            beats=self.beats,
            settings=self._settings,
        )
        try:
            while not self._stop.is_set():
                worker.step()
                self._check_turn()
            tail.stop()
            worker.drain(_DRAIN_S)
        except (StageError, SourceError, StoreMismatchError) as error:
            hub.note(self.name, "ends", type(error).__name__)
        self.close()
