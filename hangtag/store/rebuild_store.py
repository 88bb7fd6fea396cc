"""The store as `hangtag rebuild` writes it: with how far it has come, kept in the store itself."""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from hangtag.settings import RedisSettings
from hangtag.store.errors import StoreError, StoreMismatchError
from hangtag.store.exchange import raise_refusal
from hangtag.store.keys import META_KEY, REBUILD_KEY, rebuild_key_of, rebuild_keys
from hangtag.store.link import Command
from hangtag.store.redis_store import RedisTagStore
from hangtag.store.scripts import ADVANCE, COMPLETE, FIRST_KEY, WRITE
from hangtag.store.value import FORMAT

_TRIES = 3


class StoreWentBackError(StoreMismatchError):
    """The store no longer has everything that this rebuild wrote; begin again, with the progress that it still has."""


class RebuildStore(RedisTagStore):
    """A `RedisTagStore` for one thread. `begin` comes first, `end` last.

    The hash `ht:rebuild` has the offset per partition below which every record was offered to the store. It also has a
    number that each round trip with writes raises by one, after its writes, if it is still the one of the round trip
    before. Replicas and the append-only file keep the order of commands, so a server with the number and the offsets
    has all that was written before them. A flush, a failover to a replica that was behind, and a restart that lost the
    last writes are therefore noticed with the next write, and what is left of the progress is true.

    On a cluster every bucket has a hash of its own, since each node may lose what the others keep: a round trip raises
    the numbers of the buckets that it writes to, and the progress is what all of the hashes agree on.
    """

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__(settings)
        self._run_id = ""
        self._hashes = rebuild_keys(settings.buckets) if self._exchange.is_cluster else [REBUILD_KEY]
        self._steps = dict.fromkeys(self._hashes, 0)
        self._offsets: dict[int, int] = {}
        self._fields: dict[int, str] = {}

    def begin(self, topic_id: str, partitions: Sequence[int], *, from_start: bool = False) -> dict[int, int]:
        """Take the store over for a rebuild, whatever format it had; return the offsets to go on from, by partition.

        They are those of a stopped rebuild from the same topic, and empty if there is none, if it began longer ago than
        deletions are kept (the topic may have forgotten some since), or with `from_start`.

        Raises:
            StoreMismatchError: another bucket count, or the store denies access.
            StoreError: the store cannot be reached.
        """
        fields = self._fields = {number: f"offset:{number}" for number in partitions}
        raise_refusal(self._exchange.ask([("HSET", META_KEY, "format", FORMAT)]), self.address)
        self.check()
        saved = self._exchange.ask([("HMGET", key, "run", "topic", "begun", *fields.values()) for key in self._hashes])
        raise_refusal(saved, self.address)
        offsets, begun_ms = _common(saved, partitions, topic_id)
        now_ms = time.time_ns() // 1_000_000
        if from_start or now_ms - begun_ms > self._settings.deleted_ttl_s * 1_000:
            offsets, begun_ms = {}, now_ms
        self._run_id, self._steps, self._offsets = uuid.uuid4().hex, dict.fromkeys(self._hashes, 0), {}
        state = ("run", self._run_id, "step", 0, "topic", topic_id, "begun", begun_ms)
        kept = [part for number, offset in offsets.items() for part in (fields[number], offset)]
        commands: list[Command] = []
        for key in self._hashes:
            commands += [("HDEL", key, "run", *fields.values()), ("HSET", key, *state, *kept)]
        raise_refusal(self._exchange.ask(commands), self.address)
        for script in (WRITE, ADVANCE):
            raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", script.text)), self.address)
        return offsets

    def note(self, offsets: Mapping[int, int]) -> None:
        """What has been written is all that is below these offsets, by partition; saved with the next write."""
        self._offsets.update(offsets)

    def save(self) -> None:
        """Save what was noted.

        Raises:
            StoreWentBackError: the store no longer has everything that this rebuild wrote.
            StoreError: the store did not answer; call again.
        """
        self._round_trip([])

    def end(self) -> None:
        """Record that the store is complete again, and remove the progress.

        Raises:
            StoreWentBackError: the store no longer has everything that this rebuild wrote.
            StoreError: the store did not answer; call again.
        """
        self.save()
        raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", COMPLETE.text)), self.address)
        replies = self._exchange.ask([COMPLETE.call([META_KEY], self.identity)])
        raise_refusal(replies, self.address)
        if replies[0] != 1:
            raise self._went_back()
        progress = ("run", "step", "topic", "begun", *self._fields.values())
        raise_refusal(self._exchange.ask([("HDEL", key, *progress) for key in self._hashes]), self.address)

    def _round_trip(self, calls: list[Command]) -> list[Any]:
        """Everything again if the store has forgotten the script that raises the number: it must follow its writes."""
        fields = [part for number, offset in self._offsets.items() for part in (self._fields[number], offset)]
        steps = {key: self._steps[key] for key in self._hashes_of(calls)}
        advances = [ADVANCE.call([key], self._run_id, step, step + 1, *fields) for key, step in steps.items()]
        for _ in range(_TRIES):
            found = self._with_meta([*calls, *advances])
            replies, advanced = found[: len(calls)], found[len(calls) :]
            if not any(isinstance(each, NoScriptError) for each in advanced):
                break
            raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", ADVANCE.text)), self.address)
        raise_refusal(advanced, self.address)
        if any(each != 1 for each in advanced):
            raise self._went_back()
        self._steps.update({key: step + 1 for key, step in steps.items()})
        return replies

    def _hashes_of(self, calls: Sequence[Command]) -> list[str]:
        """The hashes of the buckets that these calls write to; all of them if there are no calls."""
        if not calls or not self._exchange.is_cluster:
            return self._hashes
        return list(dict.fromkeys(rebuild_key_of(call[FIRST_KEY]) for call in calls))

    def _went_back(self) -> StoreError:
        replies = self._exchange.ask([("HMGET", key, "run") for key in self._hashes])
        raise_refusal(replies, self.address)
        if any(run not in (None, self._run_id.encode()) for (run,) in replies):
            return StoreMismatchError(
                f"another `hangtag rebuild` has begun with the store at {self.address}; let that one end"
            )
        return StoreWentBackError(
            f"the store at {self.address} lost what was written last: it was flushed, or failed over or restarted"
        )


def _common(saved: Sequence[Any], partitions: Sequence[int], topic_id: str) -> tuple[dict[int, int], int]:
    """The offsets below which all hashes have everything, by partition, and when the rebuild began, in ms since 1970.

    No offsets and 0, if one of the hashes is missing or is of another topic.
    """
    offsets: dict[int, int] = {}
    begun_ms = 0
    for place, (run, topic, begun, *found) in enumerate(saved):
        if None in (run, topic, begun) or topic.decode() != topic_id:
            return {}, 0
        begun_ms = int(begun)
        own = {number: int(offset) for number, offset in zip(partitions, found, strict=True) if offset is not None}
        offsets = own if place == 0 else {number: min(own[number], offsets[number]) for number in own.keys() & offsets}
    return offsets, begun_ms
