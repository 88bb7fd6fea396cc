"""How far workers are with `products.events`: the hash `ht:progress`, with a field for each partition."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import orjson

from hangtag.settings import RedisSettings
from hangtag.store.exchange import raise_refusal
from hangtag.store.keys import PROGRESS_KEY
from hangtag.store.link import Command
from hangtag.store.open import open_exchange

_NUMBERS = ("next_offset", "position", "end", "waiting", "in_batches", "at_ms")


class BatchProgress(NamedTuple):
    """Records of a partition whose tags will be stored together, `in_ms` after the measurement.

    Bit n of `bits` stands for the offset n above the lowest unsettled one.
    """

    in_ms: int
    bits: int

    @classmethod
    def of(cls, in_s: float, offsets: Iterable[int], lowest: int) -> Self:
        """Of these offsets; `lowest` is the lowest unsettled one."""
        bits = bytearray()
        for offset in offsets:
            place = offset - lowest
            if place >= 0:
                bits.extend(bytes(max(0, place // 8 + 1 - len(bits))))
                bits[place // 8] |= 1 << place % 8
        return cls(round(in_s * 1_000), int.from_bytes(bits, "little"))


class PartitionProgress(NamedTuple):
    """How far a worker is with one of its partitions.

    Attributes:
        next_offset: the lowest offset that is not settled.
        position: the next offset that the worker polls.
        end: the end of the partition, as far as the worker knows.
        waiting: records of all its partitions that it has polled and not settled.
        in_batches: those of them that are in its batches.
        per_s: records of all its partitions that it settles a second, while there is work; 0: not known.
        batches: what it is writing, what its engine runs, and what its engine takes next.
        worker: a name that it has as long as it runs.
        at_ms: when it measured this, in ms since 1970 by its own clock.
    """

    next_offset: int
    position: int
    end: int
    waiting: int
    in_batches: int
    per_s: float
    batches: tuple[BatchProgress, ...]
    worker: str
    at_ms: int


class ProgressReader:
    """Reads what workers have written. One thread uses it; it connects with the first call.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._exchange = open_exchange(settings, 1, limit_s=2 * settings.timeout_ms / 1000)

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
    fields = [part for number, found in progress.items() for part in (number, _pack(found))]
    return ("HSET", PROGRESS_KEY, *fields)


def _pack(progress: PartitionProgress) -> bytes:
    batches = [[each.in_ms, f"{each.bits:x}"] for each in progress.batches]
    return orjson.dumps({**progress._asdict(), "batches": batches})


def _unpack(value: bytes) -> PartitionProgress | None:
    """None: no program of this release wrote it."""
    try:
        found: Any = orjson.loads(value)
        batches = tuple(BatchProgress(int(in_ms), int(bits, 16)) for in_ms, bits in found["batches"])
        numbers = {name: int(found[name]) for name in _NUMBERS}
        return PartitionProgress(**numbers, per_s=float(found["per_s"]), batches=batches, worker=str(found["worker"]))
    except (ValueError, TypeError, KeyError):
        return None
