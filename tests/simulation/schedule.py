"""A schedule: what is produced, what fails and what is looked up, each at its time. It follows from a seed."""

import json
import random
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Self

HORIZON_S = 4.0

# Records that Hangtag must tag, and records that must become dead letters: no events, or texts on which a stage fails.
GOOD = ("update", "delete")
GARBAGE = ("not json", "no text", "wrong key", "unreadable")
# Records that do not say their product and version.
NAMELESS = ("not json", "wrong key", "unreadable")
TRAPS = ("poison", "panic", "cursed")

# What can fail. `who` is the worker; those of the group, the store and the brokers concern all.
WORKER_FAULTS = (
    *("kill", "terminate", "freeze", "hang", "skew", "disk", "device"),
    *("flaky engine", "broken engine", "memory", "bug"),
)
GROUP_FAULTS = ("rebalance", "reassign", "refuse commits", "brokers away", "truncation")
STORE_FAULTS = (
    "slow store",
    "lost replies",
    "store away",
    "store full",
    "failover",
    "stale failover",
    "flush",
    "foreign",
)
SINK_FAULTS = (
    "slow brokers",
    "no acknowledgement",
    "lost acknowledgement",
    "late records",
    "letters refused",
    "letters too large",
)
FAULTS = (*WORKER_FAULTS, *GROUP_FAULTS, *STORE_FAULTS, *SINK_FAULTS)
# Without these a writer finishes what it began, and leaves the topic as it must be without the tail reader's help.
ENDING = ("kill", "terminate", "hang", "disk", "device", "broken engine", "memory", "bug", "late records", "truncation")
STAGES = ("poll", "decode", "encode", "batch", "forward", "write", "settle", "tail", "lookup", "rebuild")
# Every so many schedules has no tail reader and no such faults.
_WITHOUT_TAIL = 4
# Every so many schedules has an index.
_WITH_INDEX = 3
_FOCUSED = 0.6
# Kinds of faults that find more together, and where. At the moment "same" the store has just answered that it holds the
# value already.
_FOCUSES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (WORKER_FAULTS, ("forward", "encode")),
    (WORKER_FAULTS, ("write",)),
    ((*GROUP_FAULTS, "slow store"), ("write", "poll")),
    (STORE_FAULTS, ("write", "same")),
    (("lost replies", "lost replies", "stale failover"), ("write", "same")),
    (SINK_FAULTS, ("write", "")),
    (SINK_FAULTS, ("tail", "rebuild")),
)
_FOCUSES_WITHOUT_TAIL: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("slow brokers", "lost acknowledgement"), ("write", "")),
    (("slow brokers", "lost acknowledgement"), ("write", "")),
    (("slow brokers", "lost acknowledgement", "no acknowledgement", "freeze"), ("write", "poll")),
    (STORE_FAULTS, ("write", "same")),
)
_REPEATED = 0.12
_RELEASED = 0.7
_BAD = (*GARBAGE, *TRAPS, *TRAPS, "gap")
# After one of these the store lacks something that only a rebuild brings back.
LOSSES = ("stale failover", "flush")
# It takes minutes of simulated time until liveness ends a worker that hangs.
RARE = {"hang": 0.15}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens, `at` so many seconds after the start.

    `who` is a worker of a fault, the partition of a record, or the bundle that is put into use; `version` then is the
    number of the set of blocked tags. `seconds` is how long a fault lasts. A fault with a `stage` waits until something
    is in the middle of that stage, or at that moment. `is_keyed`: the record has its product's id as key.
    """

    at: float
    kind: str
    who: int = 0
    product: str = ""
    version: int = 0
    seconds: float = 0.0
    is_keyed: bool = True
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that determines a simulation."""

    seed: int
    workers: int
    partitions: int
    events: tuple[Event, ...]
    has_tail: bool = True
    is_released: bool = False  # a bundle is in use from the start
    has_index: bool = False

    @classmethod
    def of(cls, seed: int) -> Self:
        """The schedule of a seed."""
        dice = random.Random(seed)
        has_tail = seed % _WITHOUT_TAIL != 0
        partitions = dice.choice((1, 2, 2, 3) if has_tail else (2, 3))
        workers = dice.choice((2, 2, 2, 3))
        events = [
            *_records(dice, partitions, has_tail=has_tail),
            *_faults(dice, workers, has_tail=has_tail),
            *_calls(dice),
            *_promotions(dice),
        ]
        in_order = tuple(sorted(events, key=lambda event: event.at))
        is_released = dice.random() < _RELEASED
        return cls(seed, workers, partitions, in_order, has_tail, is_released, seed % _WITH_INDEX == 0)

    def without(self, left_out: set[int]) -> Self:
        """The schedule without the events at these places."""
        return replace(self, events=tuple(event for at, event in enumerate(self.events) if at not in left_out))

    def to_json(self) -> str:
        """For a file that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The schedule that `to_json` wrote."""
        found = json.loads(text)
        return cls(**{**found, "events": tuple(Event(**event) for event in found["events"])})

    def counts(self) -> dict[str, int]:
        """How many records, products, workers and faults there are."""
        kinds = Counter(event.kind for event in self.events)
        return {
            "records": sum(kinds[kind] for kind in (*GOOD, *GARBAGE, *TRAPS)),
            "products": len({event.product for event in self.events if event.kind in GOOD}),
            "workers": self.workers,
            "faults": sum(kinds[kind] for kind in FAULTS),
        }


def _records(dice: random.Random, partitions: int, *, has_tail: bool) -> list[Event]:
    products = [f"p{number}" for number in range(dice.choice((3, 3, 4, 5, 6)))]
    # Without a key a product's events are spread over partitions, and so over workers.
    keyed, hot = (0.8, 0.2) if has_tail else (0.4, 0.5)
    events: list[Event] = []
    for _ in range(dice.randrange(40, 64)):
        # A backlog first, then a burst, then single ones.
        at = round(dice.choice((0.0, dice.uniform(0, HORIZON_S / 4), dice.uniform(0, HORIZON_S))), 3)
        if events and dice.random() < _REPEATED:
            events.append(replace(dice.choice(events), at=at))
            continue
        # One product is in demand, so that writers meet.
        product = products[0] if dice.random() < hot else dice.choice(products)
        version = dice.randrange(1, 5 + round(8 * at / HORIZON_S))  # later ones are newer, but for some
        chance = dice.random()
        kind = (
            "update" if chance < 0.78 else "delete" if chance < 0.86 else dice.choice((*GARBAGE, *TRAPS, *TRAPS, "gap"))
        )
        is_keyed = dice.random() < keyed
        number = int(product[1:]) % partitions if is_keyed else dice.randrange(partitions)
        events.append(Event(at, kind, number, product, version, is_keyed=is_keyed))
    return events


def _faults(dice: random.Random, workers: int, *, has_tail: bool) -> list[Event]:
    """Any faults at any time, or several of one kind of system at one stage, which find more together."""
    moments: tuple[str, ...] = ("", *STAGES, "write", "forward")
    faults, count = FAULTS, dice.choice((2, 3, 3, 4, 5))
    if dice.random() < _FOCUSED:
        faults, moments = dice.choice(_FOCUSES if has_tail else _FOCUSES_WITHOUT_TAIL)
        count = 8
    if not has_tail:
        faults = tuple(fault for fault in faults if fault not in ENDING)
    events = []
    at = dice.uniform(0, HORIZON_S)
    for _ in range(count):
        kind = dice.choice(faults)
        if dice.random() > RARE.get(kind, 1.0):
            kind = "rebalance"
        at = at + dice.uniform(0, 0.1) if dice.random() < 0.5 else dice.uniform(0, HORIZON_S)
        seconds = dice.choice((0.1, 0.5, 1.0, 3.0, 6.0))
        who, product, stage = dice.randrange(workers), f"p{dice.randrange(6)}", dice.choice(moments)
        if kind in RARE and dice.random() < 0.5:
            stage = "rebuild"  # which few schedules have
        events.append(Event(round(at, 3), kind, who, product, seconds=seconds, stage=stage))
    return events


def _calls(dice: random.Random) -> list[Event]:
    """Look-ups, and products that a later release tags again."""
    kinds = ("look up", "look up many", "tag again")
    return [
        Event(round(dice.uniform(0, HORIZON_S + 1), 3), dice.choice(kinds), product=f"p{dice.randrange(4)}")
        for _ in range(dice.randrange(4, 10))
    ]


def _promotions(dice: random.Random) -> list[Event]:
    """Bundles that are put into use, often soon after each other: upgrades, blocks and rollbacks."""
    events, at = [], dice.uniform(0, HORIZON_S / 2)
    for _ in range(dice.choice((0, 1, 2, 3, 4))):
        events.append(Event(round(at, 3), "promote", dice.randrange(2), version=dice.randrange(4)))
        at += dice.choice((0.02, 0.3, 1.0))
    return events
