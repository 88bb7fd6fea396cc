"""The follower of the index, with a reader that brings what a test says."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hangtag.index import Query
from hangtag.index.content import content_in
from hangtag.index.snapshot import read_snapshot
from hangtag.server.index import follower as follower_module
from hangtag.server.index.follower import INDEX_BEAT, IndexFollower
from hangtag.server.index.reader import Position
from hangtag.settings import IndexSettings, Settings
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import SystemClock
from hangtag.write import record_of
from tests.unit.index.making import entry

RED = {"color:red": 0.9}
# Of one poll: the records, and what happens before it.
Turn = tuple[list[Any], Callable[[IndexFollower], None]]


def nothing(_: IndexFollower) -> None:
    pass


class ScriptedReader:
    """Brings the records of each turn; `end` is where the topic ends. The follower stops behind the last turn."""

    topic_id = "topic"
    begins_anew = False

    def __init__(self, turns: list[Turn], end: int, first_end: int) -> None:
        self._turns, self._end, self._first_end = turns, end, first_end
        self._offset = 0
        self.follower: IndexFollower

    def poll(self) -> list[Any]:
        records, before = self._turns.pop(0) if self._turns else ([], lambda one: one._stop.set())
        before(self.follower)
        # It looks after each turn, not after a second.
        self.follower._look_at_s = 0.0
        found = []
        for each in records:
            key, value, headers = record_of(each)
            found.append(SimpleNamespace(key=key, value=value, headers=headers, offset=self._offset, partition=0))
            self._offset += 1
        return found

    def positions(self) -> dict[int, Position]:
        return {0: Position(self._offset, self._end, 0)}

    def has_caught_up(self, _: object) -> bool:
        return self._offset >= self._first_end

    def answered_at(self) -> float:
        return time.time()

    def take_new_partitions(self) -> None:
        pass

    def close(self) -> None:
        pass


def follow(folder: Path, monkeypatch: pytest.MonkeyPatch, turns: list[Turn], *, end: int, first_end: int) -> None:
    """Run a follower through the turns, and stop it."""
    reader = ScriptedReader(turns, end, first_end)
    monkeypatch.setattr(follower_module, "TaggedReader", lambda *_: reader)
    stop = threading.Event()
    beats = Heartbeats(SystemClock(), {INDEX_BEAT: 60.0})
    settings = Settings(index=IndexSettings(snapshot_dir=folder))
    reader.follower = IndexFollower(settings, beats, lambda: None, stop)
    reader.follower.run()


def test_a_snapshot_never_claims_records_that_it_does_not_hold(tmp_path, monkeypatch):
    kept = []

    def keep(one: IndexFollower) -> None:
        """Look at the file, as whoever starts after a crash would."""
        kept.append(read_snapshot(Path(one.snapshot_path)))

    turns = [
        ([entry("a")], IndexFollower.want_snapshot),
        ([entry("b")], keep),
        ([], IndexFollower.want_snapshot),
        ([], keep),
    ]
    follow(tmp_path, monkeypatch, turns, end=9, first_end=1)

    assert [place.offsets for _, place in kept] == [{0: 1}, {0: 2}]
    assert [content_in(index, b"b") is not None for index, _ in kept] == [False, True]


def test_a_tag_that_is_blocked_while_the_topic_is_read_again_is_gone_at_once(tmp_path, monkeypatch):
    found = []

    def look(one: IndexFollower) -> None:
        assert one.moment is not None
        found.append((one.is_caught_up, len(one.moment.view.hits(Query(all_of=("color:red",))))))

    def block(one: IndexFollower) -> None:
        look(one)
        one.block(["color:red"])
        look(one)

    again: list[Turn] = [([entry("a", 1, RED)], IndexFollower.want_reading_again), ([], block), ([], nothing)]
    follow(tmp_path, monkeypatch, again, end=1, first_end=1)

    # The second reading is not complete, so calls are still answered from the first one.
    assert found == [(False, 1), (False, 0)]
