"""Actors that take turns in simulated time: the operating system, threads and clocks of a simulation."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NoReturn
from zlib import crc32

from greenlet import getcurrent, greenlet

# 2026-01-01 in ms since 1970: when a simulation begins.
START_MS = 1_767_225_600_000
# How likely something that waits for a stage happens at one of its pauses.
_HIT = 0.25


class Killed(SystemExit):
    """The actor's process was killed. Like SystemExit, no shipped code counts it as a failure of what it did."""


class Actor:
    """Something that runs by itself: a thread of a process, or a timer.

    `stage` says what it is in the middle of; empty: nothing. `owner` is its process, if it has one. `dice` are its own,
    so that an event that is left out of a schedule changes only what it touches.
    """

    __slots__ = ("dice", "frozen_until", "greenlet", "is_killed", "name", "owner", "ready", "stage")

    def __init__(self, hub: Hub, name: str, function: Callable[[], None]) -> None:
        self.name = name
        self.stage = ""
        self.owner: Any = None
        self.dice = hub.dice(name)
        self.is_killed = False
        self.frozen_until = 0.0
        self.ready = 0  # the number of the entry in the queue that may wake it
        self.greenlet = greenlet(lambda: hub.guard(self, function), hub.main)


class Hub:
    """Runs one actor at a time: always the one whose time comes first.

    Actors call `pause` wherever another actor may run. What they do in between is atomic.
    """

    def __init__(self, seed: int) -> None:
        self.main = getcurrent()
        self.now = 0.0
        self.steps = 0
        self.failure = ""
        self.bug: BaseException | None = None
        self.trace: list[object] = []
        # What happens as soon as an actor is in the middle of a stage, or at a moment.
        self.armed: dict[str, list[Callable[[], None]]] = {}
        self._seed = seed
        self._order = 0
        self._queue: list[tuple[float, int, Actor]] = []
        self._actors: list[Actor] = []
        self._current: Actor | None = None

    def dice(self, name: str) -> random.Random:
        """Dice that depend on the seed and the name alone."""
        return random.Random(self._seed << 32 | crc32(name.encode()))

    @property
    def current(self) -> Actor:
        """The actor that runs."""
        assert self._current is not None
        return self._current

    @property
    def living(self) -> list[Actor]:
        """Actors that have not ended."""
        self._actors = [actor for actor in self._actors if not actor.greenlet.dead]
        return self._actors

    def spawn(self, name: str, function: Callable[[], None], after_s: float = 0.0) -> Actor:
        """Start an actor."""
        actor = Actor(self, name, function)
        self._actors.append(actor)
        self.wake(actor, after_s)
        return actor

    def wake(self, actor: Actor, after_s: float = 0.0) -> None:
        """Let an actor run after some time; an earlier appointment of it is void."""
        self._order += 1
        actor.ready = self._order
        heappush(self._queue, (self.now + after_s, self._order, actor))

    def pause(self, seconds: float) -> None:
        """Let others run for some time. Raises Killed if this actor's process ended meanwhile."""
        actor = self.current
        if actor.is_killed:
            raise Killed
        if self.armed:
            self.reach(actor.stage)
        self.wake(actor, seconds)
        self._leave(actor)

    def reach(self, moment: str) -> None:
        """The actor is in the middle of a stage, or at another moment at which something may wait to happen."""
        if moment in self.armed and self.current.dice.random() < _HIT:
            waiting = self.armed[moment]
            happen = waiting.pop(0)
            if not waiting:
                del self.armed[moment]
            happen()
            if self.current.is_killed:
                raise Killed

    def block(self) -> None:
        """Let others run until somebody wakes this actor."""
        actor = self.current
        if actor.is_killed:
            raise Killed
        self._leave(actor)

    def _leave(self, actor: Actor) -> None:
        self.main.switch()
        if actor.is_killed:
            raise Killed

    def kill(self, actor: Actor) -> None:
        """End an actor where it stands, without another step of it."""
        actor.is_killed = True
        if actor is self._current or not actor.greenlet:
            return  # one that has not begun ends when its turn comes
        before, self._current = self._current, actor
        actor.greenlet.parent = getcurrent()
        actor.greenlet.throw(Killed)
        self._current = before

    def guard(self, actor: Actor, function: Callable[[], None]) -> None:
        """The body of an actor. An error that nobody catches is a fault of the simulator."""
        try:
            if not actor.is_killed:
                function()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            self.bug = self.bug or error

    def fail(self, message: str) -> NoReturn:
        """A rule is broken: the simulation ends here, whatever the code that runs would catch."""
        self.failure = self.failure or message
        while self._current is not None and not self._current.is_killed:
            self.main.switch()
        raise Killed

    def note(self, *what: object) -> None:
        """Add to the trace, whose hash shows that a seed is replayed exactly."""
        self.trace.append((round(self.now, 6), *what))

    def run(self, is_over: Callable[[], bool], most_steps: int) -> None:
        """Let the actors take turns until `is_over`, a rule is broken, or there were too many turns."""
        queue = self._queue
        while not is_over():
            if not queue:
                self.failure = "nothing runs any more, and not everything is settled"
            elif self.steps >= most_steps:
                self.failure = f"not everything is settled after {most_steps} turns"
            if self.failure or self.bug is not None:
                break
            when, order, actor = heappop(queue)
            if actor.ready != order or actor.greenlet.dead:
                continue
            self.now = max(self.now, when)
            if actor.frozen_until > self.now:
                self.wake(actor, actor.frozen_until - self.now)
                continue
            self.steps += 1
            self._current = actor
            actor.greenlet.switch()
            self._current = None
        if self.bug is not None:
            raise self.bug

    def close(self) -> None:
        """End what still runs."""
        for actor in self.living:
            self.kill(actor)


class SimClock:
    """The clocks of one process: `offset_s` is how far its wall clock is off."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.offset_s = 0.0

    def monotonic(self) -> float:
        """See `Clock`."""
        return 1_000.0 + self._hub.now

    def wall_ms(self) -> int:
        """See `Clock`."""
        return START_MS + int((self._hub.now + self.offset_s) * 1_000)


class SimEvent:
    """A `threading.Event` whose `wait` takes simulated time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._is_set = False

    def is_set(self) -> bool:
        """See `threading.Event`."""
        return self._is_set

    def set(self) -> None:
        """See `threading.Event`."""
        self._is_set = True

    def wait(self, timeout: float | None = None) -> bool:
        """See `threading.Event`; it is looked at once at the end of the time."""
        assert timeout is not None
        if not self._is_set:
            self._hub.pause(timeout)
        return self._is_set
