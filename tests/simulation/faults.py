"""What each fault of a schedule does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hangtag.settings import RedisSettings
from hangtag.store.keys import product_key
from tests.simulation.schedule import Event

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

_MOST_LETTER_BYTES = 1_500
_SKEWS_S = (-3_600.0, -30.0, 30.0, 3_600.0)


def inject(world: World, event: Event) -> None:
    """Let a fault happen now."""
    if event.kind in _OF_PROCESSES:
        _OF_PROCESSES[event.kind](world.processes[event.who % len(world.processes)], event)
    else:
        _OF_THE_REST[event.kind](world, event)


def _skew(process: Process, _: Event) -> None:
    process.clock.offset_s += process.world.hub.current.dice.choice(_SKEWS_S)


def _lack_memory(process: Process, _: Event) -> None:
    process.trouble.calls_without_memory = process.world.hub.current.dice.choice((1, 2, 5, 12))


def _lack_disk(process: Process, _: Event) -> None:
    process.trouble.calls_without_disk = process.world.hub.current.dice.choice((1, 2, 8))


def _truncate(world: World, event: Event) -> None:
    """Of one partition, records that no worker has settled yet are lost, and others take their offsets.

    The group rebalances: a worker that does not learn of it could commit what it read before, whatever it does.
    """
    partition = world.group.partitions[event.who % len(world.group.partitions)]
    committed = world.group.committed.get(partition, (0, ""))[0]
    dice = world.hub.current.dice
    end = max(committed, world.brokers.ends[partition] - dice.choice((2, 6, 50)))
    lost = world.brokers.truncate(partition, end)
    world.rules.lose(lost)
    for _ in lost:
        product = f"p{dice.randrange(4)}"
        world.produce(Event(0.0, "update", partition.number, product, dice.randrange(1, 20)))
    world.group.reassign(partition)


def _rebalance(world: World, _: Event) -> None:
    world.group.shuffle()
    world.tail_group.shuffle()
    world.arrivals_group.shuffle()


def _reassign(world: World, _: Event) -> None:
    for partition in world.group.partitions:
        world.group.reassign(partition)


def _fill(world: World, event: Event) -> None:
    primary = world.network.primary
    primary.is_full = True
    world.hub.spawn("room", lambda: setattr(primary, "is_full", False), event.seconds)


def _fail_over_to_stale(world: World, _: Event) -> None:
    world.network.fail_over(world.hub.current.dice.choice((1, 4, 20)))
    world.lose()


def _flush(world: World, _: Event) -> None:
    world.network.primary.flush()
    world.lose()


def _take_over_key(world: World, event: Event) -> None:
    world.network.primary.take_over(product_key(event.product, RedisSettings().buckets))
    world.has_foreign_key = True
    world.lose()


def _until(part: str, name: str) -> Callable[[World, Event], None]:
    """A fault of a part of the world that lasts until some time."""
    return lambda world, event: setattr(getattr(world, part), name, world.hub.now + event.seconds)


_OF_PROCESSES: Mapping[str, Callable[[Process, Event], None]] = {
    "kill": lambda process, _: process.kill(),
    "terminate": lambda process, _: process.terminate(),
    "freeze": lambda process, event: process.freeze(event.seconds),
    "hang": lambda process, _: process.hang(),
    "skew": _skew,
    "disk": _lack_disk,
    "memory": _lack_memory,
    "device": lambda process, _: setattr(process.trouble, "is_device_dead", True),
    "broken engine": lambda process, _: setattr(process.trouble, "is_engine_broken", True),
    "flaky engine": lambda process, _: setattr(process.trouble, "flaky_calls", 1),
    "bug": lambda process, _: setattr(process, "has_bug", True),
}
_OF_THE_REST: Mapping[str, Callable[[World, Event], None]] = {
    "rebalance": _rebalance,
    "reassign": _reassign,
    "refuse commits": _until("group", "refuses_until"),
    "brokers away": _until("brokers", "away_until"),
    "slow brokers": _until("brokers", "slow_until"),
    "truncation": _truncate,
    "slow store": _until("network", "slow_until"),
    "lost replies": _until("network", "lossy_until"),
    "store away": _until("network", "away_until"),
    "store full": _fill,
    "failover": lambda world, _: world.network.fail_over(0),
    "stale failover": _fail_over_to_stale,
    "flush": _flush,
    "foreign": _take_over_key,
    "no acknowledgement": _until("brokers", "refuses_until"),
    "lost acknowledgement": _until("brokers", "loses_answers_until"),
    "late records": _until("brokers", "is_late_until"),
    "letters refused": _until("brokers", "refuses_letters_until"),
    "letters too large": lambda world, _: setattr(world.brokers, "most_letter_bytes", _MOST_LETTER_BYTES),
}
