"""Reads look-ups from replicas, and from the primaries what no replica can answer."""

import time
from collections.abc import Sequence

from hangtag.store.exchange import Exchange, Value
from hangtag.store.replicas import Asked
from hangtag.store.shares import Share, Shares
from hangtag.telemetry.clock import Clock


class ReplicaReads:
    """Reads of keys that need not be of this moment. Any thread may call. Replicas have `limit_s` to answer."""

    def __init__(self, exchange: Exchange, shares: Shares, clock: Clock, limit_s: float) -> None:
        self._exchange, self._shares, self._clock, self._limit_s = exchange, shares, clock, limit_s

    def values(self, keys: Sequence[str]) -> tuple[list[Value], int]:
        """The strings under these keys as in `Exchange.values`, and a time by which all that was stored is in them.

        Raises:
            StoreError: no replica can answer, and the primary cannot be read, as in `Exchange.values`.
        """
        values: list[Value] = [None] * len(keys)
        rest = set(range(len(keys)))
        times = []
        for share, replies, as_of_ms in self._ask_replicas(keys):
            times.append(as_of_ms)
            for group, found in zip(share.groups, replies, strict=True):
                rest.difference_update(group)
                for place, value in zip(group, found, strict=True):
                    values[place] = value
        if rest:
            places = sorted(rest)
            times.append(self._clock.wall_ms())
            for place, value in zip(places, self._exchange.values([keys[each] for each in places]), strict=True):
                values[place] = value
        return values, min(times)

    def close(self) -> None:
        """Close the connections."""
        self._shares.close()

    def _ask_replicas(self, keys: Sequence[str]) -> list[tuple[Share, list[list[Value]], int]]:
        """What replicas answer. All are asked before the first reply is read."""
        deadline = time.monotonic() + self._limit_s
        asked: list[tuple[Share, Asked]] = []
        answers = []
        try:
            for share in self._shares.of(keys):
                commands = [("MGET", *[keys[place] for place in group]) for group in share.groups]
                one = share.replicas.ask(commands, deadline)
                if one is not None:
                    asked.append((share, one))
            while asked:
                share, one = asked.pop(0)
                found = share.replicas.hear(one, deadline)
                if found is not None:
                    answers.append((share, *found))
        finally:
            for share, one in asked:
                share.replicas.drop(one)
        return answers
