"""The reader of arrivals: the shipped one, killed and started again, perhaps behind the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hangtag.settings import KafkaSettings, RedisSettings, WorkerSettings
from hangtag.store import RedisTagStore
from hangtag.telemetry import Heartbeats
from hangtag.workers.arrivals import Arrivals
from hangtag.workers.arrivals_program import LIMITS_S
from hangtag.workers.arrivals_reader import ArrivalsReader
from hangtag.workers.group_consumer import GroupConsumer
from tests.simulation.hub import SimClock, SimEvent
from tests.simulation.source import SimConsumer

if TYPE_CHECKING:
    from tests.simulation.world import World

_STARTS_S = (0.0, 0.0, 0.5, 3.0)
_LIVES_S = (0.7, 2.0, 1_000.0)


class SimArrivals(ArrivalsReader):
    """One process of it, with a simulated consumer."""

    def __init__(self, world: World, name: str) -> None:
        clock = SimClock(world.hub)
        arrivals = Arrivals(RedisTagStore(RedisSettings()), WorkerSettings().max_record_bytes)
        super().__init__(KafkaSettings(), arrivals, Heartbeats(clock, LIMITS_S), clock)
        self._world, self._process = world, name
        self._stop = SimEvent(world.hub)  # type: ignore[assignment]

    def _connect(self) -> GroupConsumer:
        world = self._world
        return SimConsumer(world.brokers, world.arrivals_group, self._process, SimClock(world.hub))  # type: ignore[return-value]

    def _look(self, consumer: GroupConsumer) -> None:
        """The brokers' last answer and their ends are for metrics."""


def run_arrivals(world: World) -> None:
    """Start it, kill it and start it again, for as long as the simulation runs."""
    dice = world.hub.current.dice
    world.hub.pause(dice.choice(_STARTS_S))
    number = 0
    while True:
        number += 1
        name = f"arrivals-{number}"
        actor = world.hub.spawn(name, SimArrivals(world, name).read)
        world.hub.pause(dice.choice(_LIVES_S))
        world.hub.kill(actor)
