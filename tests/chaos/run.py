"""One schedule of faults against real programs, from a seed; then everything is compared.

    python -m tests.chaos.run [--quick] [--seed N] [--events N]

Two workers, a server, an index, arrivals, `hangtag rebuild`, Valkey with a replica and, with KAFKA_HOME, three brokers
of Apache Kafka run on this machine while they are killed, stopped, stalled, cut off, filled, flushed and replaced. It
ends with 0 only if nothing is lost, nothing is older than what was sent, and `products.tagged` and the index agree with
the store.

Example: KAFKA_HOME=../shared/kafka python -m tests.chaos.run --quick --seed 7
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from kafka.errors import KafkaError
from redis import RedisError

from hangtag.cli.local import LocalError
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import KafkaSettings
from tests.bundles import write_tiny_bundle
from tests.chaos.brokers import Brokers
from tests.chaos.diary import Diary
from tests.chaos.errors import ChaosError
from tests.chaos.faults import Stage, lanes
from tests.chaos.feeder import Feeder
from tests.chaos.load import Load, make_load
from tests.chaos.look_ups import NO_FORK_HANDLERS, LookUps
from tests.chaos.outcome import Outcome, compare
from tests.chaos.programs import Programs
from tests.chaos.report import Run, report
from tests.chaos.store_pair import StorePair

_EVENTS, _QUICK_EVENTS = 50_000, 4_000
_ROUNDS, _QUICK_ROUNDS = 4, 1
_PAUSE_S, _QUICK_PAUSE_S = 4.0, 0.5
# About how long the faults of one round take, so that there is load until the last of them.
_ROUND_S, _QUICK_ROUND_S = 50.0, 30.0
# Shares of the load: with the first the programs show that they work; the last one is sent when the store loses nothing
# any more, so that no rebuild repairs what is wrong about it.
_FIRST_SHARE, _SHARE_AFTER_LOSSES = 0.02, 0.3
_START_S = 180.0
_SETTLE_S = 300.0
_STUCK_S = 120.0
_SETTLED_EVERY_S, _QUIET_LOOKS = 0.5, 3
_LOOK_EVERY_S = 0.05
_SAY_EVERY_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every fault once, in about a minute")
    parser.add_argument("--seed", type=int, default=1, help="seed of load and faults")
    parser.add_argument("--events", type=int, help=f"records to send (default {_EVENTS}, quick {_QUICK_EVENTS})")
    parser.add_argument("--bundle", choices=("starter", "tiny"), help="default: starter if quick, else tiny")
    parser.add_argument(
        "--keep",
        type=Path,
        help="an empty folder for the logs of all programs, which are otherwise kept only after a failure",
    )
    options = parser.parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    os.environ[NO_FORK_HANDLERS] = "0"
    folder = options.keep or Path(tempfile.mkdtemp(prefix="hangtag-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    code = 1
    try:
        with stopping():
            code = 0 if chaos(options, folder) else 1
    except Stopped:
        sys.stderr.write("stopped; nothing was compared\n")
        code = 130
    except (ChaosError, LocalError, KafkaError, RedisError) as error:
        sys.stderr.write(f"chaos: {type(error).__name__}: {error}\n")
    if code == 1:
        sys.stderr.write(f"the logs of all programs are in {folder}\n")
    elif not options.keep:
        shutil.rmtree(folder)
    return code


def chaos(options: argparse.Namespace, folder: Path) -> bool:
    """Run everything with its logs in `folder`; True if everything is right.

    Raises:
        ChaosError: the run proves nothing.
        LocalError: a broker or a store cannot be started.
    """
    quick = options.quick
    home = os.environ.get("KAFKA_HOME")
    events = options.events or (_QUICK_EVENTS if quick else _EVENTS)
    bundle = options.bundle or ("starter" if quick else "tiny")
    diary = Diary()
    with ExitStack() as stack:
        diary.say(f"seed {options.seed}: starting brokers, store, two workers, a server, an index and arrivals")
        brokers, store = Brokers(folder, Path(home) if home else None), StorePair(folder)
        stack.enter_context(store)
        stack.enter_context(brokers)
        load = make_load(events, options.seed, transactions=brokers.are_many)
        if bundle == "tiny":
            write_tiny_bundle(folder / "bundle")
        kafka = KafkaSettings(bootstrap=brokers.direct)
        addresses = {
            "kafka.bootstrap": brokers.proxied,
            "redis.url": store.url,
            "model.bundle": str(folder / "bundle") if bundle == "tiny" else "starter",
            "model.threads": "1",
        }
        programs = stack.enter_context(Programs(folder, addresses))
        for name in ("worker-1", "worker-2", "server", "arrivals", "index"):
            programs.start(name)
        rounds = _QUICK_ROUNDS if quick else _ROUNDS
        pace = events / (rounds * (_QUICK_ROUND_S if quick else _ROUND_S))
        feeder = stack.enter_context(closing(Feeder(load, brokers.direct, kafka.events_topic, pace)))
        look_ups = stack.enter_context(closing(LookUps(programs.server_port, load.products, load.deletions(), diary)))
        feeder.allow(_FIRST_SHARE)
        feeder.start()
        look_ups.start()
        diary.say(f"{brokers.kind}; {events:,} records at {pace:,.0f}/s, bundle {bundle}")
        stage = Stage(
            brokers, store, programs, diary, kafka.events_topic, kafka.dead_letter_topic, 2 * 1_048_576, quick
        )
        await_tags(programs, look_ups)
        diary.say("the first tags are there")
        feeder.allow(1 - _SHARE_AFTER_LOSSES)
        fault(stage, feeder, options.seed, rounds, _QUICK_PAUSE_S if quick else _PAUSE_S)
        settled_s = settle(stage, kafka)
        look_ups.close()
        outcome = check(load, feeder, brokers, kafka, store)
        index = programs.check_index()
        run = Run(
            options.seed,
            brokers.kind,
            bundle,
            quick,
            diary,
            outcome,
            index,
            feeder,
            look_ups,
            programs.ended,
            settled_s,
        )
        return report(run)


def await_tags(programs: Programs, look_ups: LookUps) -> None:
    """Wait until the first tags can be looked up.

    Raises:
        ChaosError: there are none within minutes.
    """
    give_up = time.monotonic() + _START_S
    while not look_ups.has_found_tags:
        programs.supervise()
        if time.monotonic() > give_up:
            msg = f"no tags after {_START_S:.0f} s; {'; '.join(programs.ended) or 'see the logs'}"
            raise ChaosError(msg)
        time.sleep(_LOOK_EVERY_S)


def fault(stage: Stage, feeder: Feeder, seed: int, rounds: int, pause_s: float) -> None:
    """Run all lanes of faults until they are over and everything is sent.

    Raises:
        ChaosError: the load cannot be sent, or a fault does not end.
    """
    running = lanes(stage, seed, rounds, pause_s, after_losses=lambda: feeder.allow(1))
    say_at = time.monotonic() + _SAY_EVERY_S
    sent, give_up = 0, 0.0
    while not (feeder.is_done and all(lane.is_done for lane in running)):
        for lane in running:
            lane.go_on()
        stage.programs.supervise()
        if feeder.sent != sent or not all(lane.is_done for lane in running):
            sent, give_up = feeder.sent, time.monotonic() + _STUCK_S
        if time.monotonic() > give_up:
            msg = f"nothing was sent for {_STUCK_S:.0f} s after the last fault, at record {sent:,}"
            raise ChaosError(msg)
        if time.monotonic() >= say_at:
            say_at = time.monotonic() + _SAY_EVERY_S
            stage.diary.say(f"{feeder.sent:,} records sent, {len(stage.programs.ended)} programs ended by themselves")
        time.sleep(_LOOK_EVERY_S)
    if feeder.error is not None:
        msg = f"the load could not be sent: {feeder.error!r}"
        raise ChaosError(msg) from feeder.error


def settle(stage: Stage, kafka: KafkaSettings) -> float:
    """Wait until the groups of the workers and of arrivals have committed all there is; returns how long that took.

    Raises:
        ChaosError: it did not happen within minutes.
    """
    began = time.monotonic()
    say_at = began + _SAY_EVERY_S
    stage.diary.say("all faults are over; waiting until everything is settled")
    quiet = 0
    while quiet < _QUIET_LOOKS:
        stage.programs.supervise()
        left = left_to_settle(stage.brokers, kafka)
        quiet = 0 if left else quiet + 1
        now = time.monotonic()
        if now > began + _SETTLE_S:
            msg = f"not settled after {_SETTLE_S:.0f} s: {left}"
            raise ChaosError(msg)
        if left and now > say_at:
            say_at = now + _SAY_EVERY_S
            stage.diary.say(f"not settled: {left}")
        time.sleep(_SETTLED_EVERY_S)
    return time.monotonic() - began


def left_to_settle(brokers: Brokers, kafka: KafkaSettings) -> str:
    """Records of which partitions are not committed, or why that is not known; empty if all are."""
    groups = {
        kafka.group: kafka.events_topic,
        f"{kafka.group}-tail": kafka.tagged_topic,
        f"{kafka.group}-arrivals": kafka.events_topic,
    }
    found = []
    try:
        for group, topic in groups.items():
            committed = brokers.committed(group, topic)
            for number, end in sorted(brokers.ends(topic).items()):
                # Tansu's end may trail what is committed.
                if (count := end - committed.get(number, 0)) > 0:
                    found.append(f"{topic}-{number}: {count} records")
    except KafkaError as error:
        found.append(f"the brokers do not tell: {type(error).__name__}")
    return ", ".join(found)


def check(load: Load, feeder: Feeder, brokers: Brokers, kafka: KafkaSettings, store: StorePair) -> Outcome:
    topics = kafka.events_topic, kafka.tagged_topic, kafka.dead_letter_topic
    return compare(load, feeder.acknowledged, brokers.direct, topics, store.primary_url)


if __name__ == "__main__":
    sys.exit(main())
