"""The replicas of one primary, and the proof of how complete each is.

A primary counts the bytes of its history of writes, and a replica those of them that it has applied. The primary's
count is read every moment, after the time was noted: a replica of the same history that has applied as much holds all
that was stored by that time.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from hangtag.store.errors import StoreMismatchError, store_error
from hangtag.store.link import Command, Link, grace
from hangtag.store.links import Links
from hangtag.telemetry.clock import Clock

INFO: Command = ("INFO", "replication")
# On a node of a cluster, which else sends clients to its primary.
READONLY: Command = ("READONLY",)
_FIELD = re.compile(rb"^(role|master_replid|master_repl_offset|slave_repl_offset):(\S+)", re.MULTILINE)
# How long a replica that is away or behind is not asked again.
_AWAY_S = 0.25


class _Mark(NamedTuple):
    """The history of a primary and its length at `as_of_ms` or later."""

    as_of_ms: int
    history: bytes
    length: int


class Asked(NamedTuple):
    """A replica that owes so many replies, and its place in the list."""

    place: int
    link: Link
    replies: int


class Replicas:
    """Round trips with the replicas of a primary. Any thread may call. No replica more than `lag_ms` behind answers.

    `info` asks the primary for its reply to `INFO`; it raises `StoreError`. `first` are commands that a replica needs.
    """

    def __init__(
        self,
        links: Sequence[Links],
        info: Callable[[], bytes],
        clock: Clock,
        lag_ms: int,
        first: Sequence[Command] = (),
    ) -> None:
        self._links, self._info, self._clock, self._lag_ms, self._first = list(links), info, clock, lag_ms, first
        self._turn = count()
        self._away_until = [0.0] * len(self._links)
        # The newest comes first.
        self._marks: deque[_Mark] = deque(maxlen=64)

    def mark(self) -> None:
        """Ask the primary for the length of its history. One thread calls, once in a while.

        Raises:
            StoreError: the primary does not answer. What it said before is true until it is too old.
        """
        as_of_ms = self._clock.wall_ms()
        fields = dict(_FIELD.findall(self._info()))
        try:
            mark = _Mark(as_of_ms, fields[b"master_replid"], int(fields[b"master_repl_offset"]))
        except KeyError:
            msg = "the primary's INFO does not say how far it is; set HANGTAG_REDIS__READ_FROM=primary"
            raise StoreMismatchError(msg) from None
        self._marks.appendleft(mark)

    def ask(self, commands: Sequence[Command], deadline: float) -> Asked | None:
        """Send commands to one of the replicas; None if none of them can be asked now. `hear` or `drop` comes next."""
        if not self._marks:
            return None
        now = self._clock.monotonic()
        for _ in self._links:
            place = next(self._turn) % len(self._links)
            if now < self._away_until[place]:
                continue
            links, link = self._links[place], None
            try:
                link = links.take(deadline)
                link.send([*self._first, INFO, *commands], deadline)
            except RedisError:
                self._leave_out(place)
                if link is not None:
                    links.drop(link)
                continue
            return Asked(place, link, len(self._first) + 1 + len(commands))
        return None

    def hear(self, asked: Asked, deadline: float) -> tuple[list[Any], int] | None:
        """The replies, and a time by which all that was stored is in them, in ms since 1970.

        None if the replica did not answer, is too far behind or does not have the keys.

        Raises:
            StoreError: the replica refuses the commands.
        """
        links = self._links[asked.place]
        try:
            replies = asked.link.receive(asked.replies, grace(deadline))
        except RedisError:
            self.drop(asked)
            self._leave_out(asked.place)
            return None
        except BaseException:
            self.drop(asked)
            raise
        links.put(asked.link)
        info, *found = replies[len(self._first) :]
        if isinstance(info, Exception):
            raise store_error(links.address, info) from info
        as_of_ms = self._complete_until(info)
        if as_of_ms is None or any(isinstance(reply, Exception) for reply in found):
            self._leave_out(asked.place)
            return None
        return found, as_of_ms

    def drop(self, asked: Asked) -> None:
        """Do not wait for the replies."""
        self._links[asked.place].drop(asked.link)

    def close(self) -> None:
        """Close the connections."""
        for links in self._links:
            links.close()

    def _leave_out(self, place: int) -> None:
        self._links[place].close_idle()
        self._away_until[place] = self._clock.monotonic() + _AWAY_S

    def _complete_until(self, info: bytes) -> int | None:
        """The newest time by which all that was stored has reached the replica with this reply to `INFO`."""
        fields = dict(_FIELD.findall(info))
        if fields.get(b"role") != b"slave":
            return None
        history, length = fields.get(b"master_replid"), int(fields.get(b"slave_repl_offset", 0))
        now_ms = self._clock.wall_ms()
        for mark in list(self._marks):
            if not now_ms - self._lag_ms <= mark.as_of_ms <= now_ms:  # the clock may have been set back
                return None
            if mark.history == history and mark.length <= length:
                return mark.as_of_ms
        return None
