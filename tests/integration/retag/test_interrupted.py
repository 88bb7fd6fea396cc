"""A re-tag that is killed, undone, rolled back, or raced by everybody who writes."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from hangtag.records import decode_tags
from hangtag.settings import Settings
from hangtag.store import Entry, RedisTagStore, RetagStore, bundle_prefix
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decisions import Decision
from hangtag.workers.retag import LivePace, Undoing
from hangtag.write import KafkaSink, Update, Writes
from tests.integration.retag.parts import (
    ON_TANSU,
    WORDS,
    Killed,
    Run,
    event,
    formers,
    held,
    listed,
    listed_updates,
    names,
    retag,
    verified,
)

pytestmark = [ON_TANSU, pytest.mark.timeout(60)]
ROOT = Path(__file__).resolve().parents[3]


def test_a_retag_that_is_killed_ten_times_ends_as_if_it_was_not(settings, taggers):
    first, second = taggers
    listed(settings, first, *(event(f"p{number}", title=f"{WORDS[number % 4]} {number}") for number in range(1_500)))
    dice = random.Random(5)
    run = Run(settings, second)
    for _ in range(10):
        left = dice.randrange(1, 8)

        def step() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        with pytest.raises(Killed):
            run.go(step)

    run.go()

    found = held(settings, *(f"p{number}" for number in range(1_500)))
    assert {(entry.version, entry.sequence, entry.bundle_prefix) for entry in found} == {
        (1, 1, bundle_prefix(second.bundle.version))
    }
    assert len(formers(settings)) == 1_500
    assert verified() == 0


@pytest.mark.timeout(300)  # the process runs when nothing else wants to run
def test_a_process_that_is_killed_gives_way_to_others_and_the_next_one_goes_on(settings, bundles, taggers):
    listed(settings, taggers[0], *(event(f"p{number}", title=f"{WORDS[number % 4]} {number}") for number in range(900)))
    command = [sys.executable, "-m", "hangtag.cli", "retag", "--bundle", str(bundles[1]), "--sequence", "1", "--json"]
    command += ["--max-per-s", "200"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        closing(RetagStore(settings.redis)) as store,
    ):
        give_up = time.monotonic() + 200
        while not formers(settings):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < give_up
            time.sleep(0.02)
        policy = os.sched_getscheduler(process.pid)
        process.send_signal(signal.SIGKILL)
        before = store.run()

    counts = retag("--bundle", str(bundles[1]), "--sequence", "1")

    assert policy == os.SCHED_IDLE
    assert before is not None
    assert counts["run_id"] == before.run_id
    # What was written after the last note counts as the same.
    assert counts["written"] + counts["same"] == 900
    assert 0 < counts["written"] < 900
    assert {entry.sequence for entry in held(settings, *(f"p{number}" for number in range(900)))} == {1}


class Shop:
    """Workers, people and shops, who change products while a re-tag runs; the dice decide what happens."""

    def __init__(self, settings: Settings, tagger: Tagger, ids: list[str], seed: int):
        self.store, self.sink = RedisTagStore(settings.redis), KafkaSink(settings.kafka)
        self.tagger = tagger
        self.ids = ids
        self.dice = random.Random(seed)
        self.newest: dict[str, Entry] = {}
        self.decided: dict[str, Decision] = {}

    def act(self) -> None:
        """One change of one product, as far as that is written."""
        name = self.dice.choice(self.ids)
        [entry] = self.store.read([name])
        assert entry is not None
        kind = self.dice.choice(["newer", "deletion", "decision", "release"])
        if entry.is_deletion and kind != "newer":
            return
        if kind == "newer":
            title = self.dice.choice(WORDS)
            [update] = listed_updates(self.tagger, event(name, entry.version + 1, title))
        elif kind == "deletion":
            update = Update(name, entry.version, None)
        elif kind == "release":
            update = replace(Update.of(entry), sequence=entry.sequence + self.dice.randrange(3))
        else:
            self.decided[name] = Decision("color:navy", is_accepted=True)
            person = Update.of(entry).entry([self.decided[name]], entry.revision + 1)
            assert self.store.write([person])[0].outcome == "WRITTEN"
            Writes.of_stored([person]).run(self.store, self.sink)
            self.newest[name] = person
            return
        Writes([update]).run(self.store, self.sink)
        if kind == "deletion":
            self.decided.pop(name, None)
        [self.newest[name]] = self.store.read([name])  # type: ignore[list-item]

    def close(self) -> None:
        self.sink.close()
        self.store.close()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_while_a_retag_runs_and_is_undone_nothing_goes_back(settings, taggers, seed):
    first, second = taggers
    ids = [f"p{number}" for number in range(12)]
    listed(settings, first, *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids)))
    with closing(Shop(settings, first, ids, seed)) as shop:

        def check() -> None:
            for name, entry in zip(ids, shop.store.read(ids), strict=True):
                assert entry is not None
                assert name not in shop.newest or entry.rank >= shop.newest[name].rank
                assert entry.version <= max(1, shop.newest[name].version if name in shop.newest else 1)
                assert name not in shop.decided or shop.decided[name] in decode_tags(entry.payload).decisions

        for creates in (False, True):
            Run(settings, second, sequence=1 + creates).go(shop.act, creates=creates)
            check()
        run = RetagStore(settings.redis)
        undoing = Undoing(
            run.run() or pytest.fail("no run"),
            4,
            run,
            run,
            shop.sink,
            LivePace(None, 0, lambda _: None),
            shop.act,
        )
        undoing.undo()
        run.close()
        check()

    assert verified() == 0


def test_a_rollback_while_a_retag_runs_wins_and_the_rest_can_be_undone(settings, taggers):
    first, second = taggers
    ids = [f"p{number}" for number in range(600)]
    listed(settings, first, *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids)))
    before = held(settings, *ids)
    steps = 0

    def roll_back() -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            # A worker of the release that is in use again tags some products once more.
            listed(
                settings,
                first,
                *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids[:100])),
                sequence=2,
            )

    counts = Run(settings, second).go(roll_back).counts
    undone = retag("undo", "--sequence", "2")

    assert 0 < counts.written <= 600
    assert undone["restored"] == counts.written - undone["changed"]
    after = held(settings, *ids)
    assert {(entry.sequence, entry.bundle_prefix) for entry in after} == {(2, bundle_prefix(first.bundle.version))}
    assert [names(entry) for entry in after] == [names(entry) for entry in before]
    assert verified() == 0
