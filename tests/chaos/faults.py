"""The faults: each a generator of steps for a lane, in the order of doing and undoing."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.brokers import Brokers
from tests.chaos.diary import Diary
from tests.chaos.errors import ChaosError
from tests.chaos.lanes import Lane, Steps
from tests.chaos.programs import Programs
from tests.chaos.store_pair import StorePair

_REBUILDS = 5
# Longer than the session timeout of the workers' group.
_FROZEN_S = (11.5, 15.0)


@dataclass(frozen=True)
class Stage:
    """What faults act on."""

    brokers: Brokers
    store: StorePair
    programs: Programs
    diary: Diary
    events_topic: str
    dead_letter_topic: str
    dead_letter_bytes: int
    is_quick: bool

    def hold(self, rng: random.Random, shortest: float, longest: float) -> float:
        """How long a fault lasts, in seconds; in a quick run it is nearer to the shortest."""
        return rng.uniform(shortest, shortest + (longest - shortest) * (0.25 if self.is_quick else 1))


Fault = Callable[[Stage, random.Random], Steps]


def kill_worker(stage: Stage, rng: random.Random) -> Steps:
    """A worker dies."""
    yield lambda: bool(_workers(stage))
    name = rng.choice(_workers(stage))
    with stage.diary.fault("workers", f"{name} is killed with -9"):
        stage.programs.kill(name)
        yield stage.hold(rng, 0, 4)
        stage.programs.start(name)
        yield 2


def stop_worker(stage: Stage, rng: random.Random) -> Steps:
    """A worker is asked to stop, as in a deploy."""
    yield lambda: bool(_workers(stage))
    name = rng.choice(_workers(stage))
    with stage.diary.fault("workers", f"{name} is stopped with SIGTERM"):
        stage.programs.ask_to_stop(name)
        yield lambda: stage.programs.has_stopped(name)
        yield stage.hold(rng, 0, 2)
        stage.programs.start(name)
        yield 2


def freeze_worker(stage: Stage, rng: random.Random) -> Steps:
    """A worker stands still until its group has given it up, and goes on with what it had in hand."""
    yield lambda: bool(_workers(stage))
    name = rng.choice(_workers(stage))
    with stage.diary.fault("workers", f"{name} stands still (SIGSTOP) past the session timeout"):
        stage.programs.freeze(name)
        yield stage.hold(rng, *_FROZEN_S)
        stage.programs.thaw(name)
        yield 1


def add_worker(stage: Stage, rng: random.Random) -> Steps:
    """A third worker joins for a while: two rebalances."""
    with stage.diary.fault("workers", "worker-3 joins and leaves"):
        stage.programs.start("worker-3")
        yield stage.hold(rng, 4, 8)
        stage.programs.ask_to_stop("worker-3")
        yield lambda: stage.programs.has_stopped("worker-3")


def kill_index(stage: Stage, rng: random.Random) -> Steps:
    """The index dies, while it reads or writes its snapshot perhaps, and starts again from what it has."""
    yield from _kill(stage, rng, "index")


def kill_arrivals(stage: Stage, rng: random.Random) -> Steps:
    """The reader of arrivals dies."""
    yield from _kill(stage, rng, "arrivals")


def _kill(stage: Stage, rng: random.Random, name: str) -> Steps:
    yield lambda: name in stage.programs.running
    with stage.diary.fault("readers", f"{name} is killed with -9"):
        stage.programs.kill(name)
        yield stage.hold(rng, 0, 4)
        stage.programs.start(name)
        yield 2


def kill_broker(stage: Stage, rng: random.Random) -> Steps:
    """The broker that leads most partitions dies and comes back."""
    node = stage.brokers.busiest(stage.events_topic)
    with stage.diary.fault("brokers", f"broker {node + 1}, which leads most partitions, is killed with -9"):
        stage.brokers.kill(node)
        yield stage.hold(rng, 1, 10)
        stage.brokers.restart(node)
        yield lambda: stage.brokers.are_in_sync(stage.events_topic)


def stall_broker(stage: Stage, rng: random.Random) -> Steps:
    """Connections to one broker stay open and deliver nothing."""
    node = rng.randrange(len(stage.brokers.proxies))
    with stage.diary.fault("brokers", f"the workers' connections to broker {node + 1} stall"):
        stage.brokers.proxies[node].stall()
        yield stage.hold(rng, 2, 14)
        stage.brokers.proxies[node].flow()


def stall_brokers(stage: Stage, rng: random.Random) -> Steps:
    """Connections to all brokers stay open and deliver nothing."""
    with stage.diary.fault("brokers", "the workers' connections to all brokers stall"):
        for proxy in stage.brokers.proxies:
            proxy.stall()
        yield stage.hold(rng, 2, 14)
        for proxy in stage.brokers.proxies:
            proxy.flow()


def cut_brokers(stage: Stage, rng: random.Random) -> Steps:
    """Connections end, several times."""
    with stage.diary.fault("brokers", "the workers' connections to all brokers are cut, three times"):
        for _ in range(3):
            for proxy in stage.brokers.proxies:
                proxy.cut()
            yield stage.hold(rng, 0, 1)


def refuse_dead_letters(stage: Stage, rng: random.Random) -> Steps:
    """The topic of dead letters takes none."""
    with stage.diary.fault("brokers", "the dead-letter topic refuses every record (max.message.bytes=100)"):
        stage.brokers.refuse_dead_letters(stage.dead_letter_topic)
        yield stage.hold(rng, 3, 8)
        stage.brokers.refuse_dead_letters(stage.dead_letter_topic, usual_bytes=stage.dead_letter_bytes)


def kill_store(stage: Stage, rng: random.Random) -> Steps:
    """The store dies and comes back with its file."""
    with stage.diary.fault("store", "Valkey is killed with -9 and restarts with its file"):
        stage.store.kill()
        yield stage.hold(rng, 0.5, 4)
        stage.store.restart()
        yield stage.store.is_replicating


def fill_store(stage: Stage, rng: random.Random) -> Steps:
    """The store's memory is used up."""
    with stage.diary.fault("store", "Valkey is full (maxmemory)"):
        stage.store.limit_memory("1mb")
        yield stage.hold(rng, 1, 5)
        stage.store.limit_memory("0")


def demote_store(stage: Stage, rng: random.Random) -> Steps:
    """The name leads to a replica for a while."""
    with stage.diary.fault("store", "Valkey is read-only: demoted, and promoted again"):
        stage.store.demote()
        yield stage.hold(rng, 1, 5)
        stage.store.promote()
        yield stage.store.is_replicating


def hand_over_store(stage: Stage, rng: random.Random) -> Steps:
    """A failover that loses nothing."""
    with stage.diary.fault("store", "Valkey fails over to a replica that has everything"):
        stage.store.hand_over()
        yield stage.store.has_handed_over
        yield stage.hold(rng, 0, 1)
        yield stage.store.is_replicating


def stall_store(stage: Stage, rng: random.Random) -> Steps:
    """Connections stay open and deliver nothing; what was sent is delivered late."""
    with stage.diary.fault("store", "connections to Valkey stall"):
        stage.store.name.stall()
        yield stage.hold(rng, 1, 4)
        stage.store.name.flow()


def cut_store(stage: Stage, rng: random.Random) -> Steps:
    """Connections end, several times."""
    with stage.diary.fault("store", "connections to Valkey are cut, five times"):
        for _ in range(5):
            stage.store.name.cut()
            yield stage.hold(rng, 0, 0.5)


def flush_store(stage: Stage, rng: random.Random) -> Steps:
    """The store loses everything, and is rebuilt."""
    with stage.diary.fault("store", "Valkey is flushed, then `hangtag rebuild`"), stage.diary.loss():
        stage.store.flush()
        yield stage.hold(rng, 0, 3)
        yield from _rebuild(stage)


def lose_to_stale_replica(stage: Stage, rng: random.Random) -> Steps:
    """A replica that was behind takes over, and the store is rebuilt."""
    with stage.diary.fault("store", "Valkey is replaced by a replica that was behind, then `hangtag rebuild`"):
        stage.store.detach_replica()
        yield stage.hold(rng, 2, 5)
        with stage.diary.loss():
            stage.store.fail_over_to_stale()
            yield stage.hold(rng, 0, 2)
            yield from _rebuild(stage)
        yield stage.store.is_replicating


def _rebuild(stage: Stage) -> Steps:
    """Run the command until it succeeds, as its message says when brokers or the store are away."""
    for _ in range(_REBUILDS):
        child = stage.programs.rebuild()
        yield lambda child=child: not child.is_running
        stage.diary.say(f"rebuild: {child.tail(1).strip()}")
        if child.exit_code == 0:
            return
        yield 1
    msg = f"`hangtag rebuild` failed {_REBUILDS} times: {child.exit_report()}"
    raise ChaosError(msg)


def _workers(stage: Stage) -> list[str]:
    return [name for name in stage.programs.running if name.startswith("worker-")]


WORKERS: Sequence[Fault] = (kill_worker, stop_worker, freeze_worker, add_worker)
READERS: Sequence[Fault] = (kill_index, kill_arrivals)
BROKERS: Sequence[Fault] = (kill_broker, stall_broker, stall_brokers, cut_brokers, refuse_dead_letters)
STORE: Sequence[Fault] = (kill_store, fill_store, demote_store, hand_over_store, stall_store, cut_store)
LOSSES: Sequence[Fault] = (flush_store, lose_to_stale_replica)


def lanes(
    stage: Stage, seed: int, rounds: int, pause_s: float, after_losses: Callable[[], None] = lambda: None
) -> list[Lane]:
    """Every fault `rounds` times, in an order from the seed, with pauses between.

    The store's losses come first in a round, and `after_losses` is called when the last of them is rebuilt: from then
    on nothing repairs what other faults did.
    """
    seeds = random.Random(seed)

    def in_any_order(faults: Sequence[Fault], rng: random.Random) -> Steps:
        for chosen in rng.sample(faults, len(faults)):
            yield rng.uniform(0, pause_s)
            yield from chosen(stage, rng)

    def store(rng: random.Random) -> Steps:
        for number in range(rounds):
            yield from in_any_order(LOSSES, rng)
            if number == rounds - 1:
                after_losses()
            yield from in_any_order(STORE, rng)

    def others(faults: Sequence[Fault], rng: random.Random) -> Steps:
        for _ in range(rounds):
            yield from in_any_order(faults, rng)

    # A generator each: which faults a lane draws must not depend on how far the others are.
    own = [random.Random(seeds.random()) for _ in range(4)]
    found = [
        Lane("store", store(own[0])),
        Lane("workers", others(WORKERS, own[1])),
        Lane("readers", others(READERS, own[3])),
    ]
    return [*found, Lane("brokers", others(BROKERS, own[2]))] if stage.brokers.are_many else found
