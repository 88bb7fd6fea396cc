"""How far workers are with `products.events`: the hash `ht:progress`, with a field for each partition."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from hangtag.settings import RedisSettings
from hangtag.store.exchange import Exchange, raise_refusal
from hangtag.store.keys import PROGRESS_KEY
from hangtag.store.link import Command


class PartitionProgress(NamedTuple):
    """How far a worker is with one of its partitions.

    Attributes:
        next_offset: the lowest offset that is not settled.
        position: the next offset that the worker polls.
        end: the end of the partition, as far as the worker knows.
        waiting: records of all its partitions that it has polled and not settled.
        per_s: records of all its partitions that it settles a second, while there is work; 0: not known.
        worker: a name that it has as long as it runs.
        at_ms: when it measured this, in ms since 1970 by its own clock.
    """

    next_offset: int
    position: int
    end: int
    waiting: int
    per_s: float
    worker: str
    at_ms: int


class ProgressReader:
    """Reads what workers have written. One thread uses it; it connects with the first call.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._exchange = Exchange(settings, 1, limit_s=2 * settings.timeout_ms / 1000)

    def read(self) -> dict[int, PartitionProgress]:
        """The progress by number of the partition; what cannot be read of it is left out.

        Raises:
            StoreError: the store cannot be reached, is not the primary, or denies access.
        """
        replies = self._exchange.ask([("HGETALL", PROGRESS_KEY)])
        raise_refusal(replies, self._exchange.address)
        found = {}
        for number, value in replies[0].items():
            progress = _unpack(value)
            if progress is not None and number.isdigit():
                found[int(number)] = progress
        return found

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()


def write_progress(progress: Mapping[int, PartitionProgress]) -> Command:
    """The command that writes the progress of some partitions."""
    fields = [part for number, found in progress.items() for part in (number, orjson.dumps(found._asdict()))]
    return ("HSET", PROGRESS_KEY, *fields)


def _unpack(value: bytes) -> PartitionProgress | None:
    """None: no program of this release wrote it."""
    try:
        found: Any = orjson.loads(value)
        progress = PartitionProgress(**{name: found[name] for name in PartitionProgress._fields})
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None
    numbers = (progress.next_offset, progress.position, progress.end, progress.waiting, progress.at_ms)
    is_whole = all(type(number) is int for number in numbers) and type(progress.per_s) in (int, float)
    return progress if is_whole else None
