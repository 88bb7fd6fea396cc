"""The store as `hangtag rebuild` writes it: with how far it has come, kept in the store itself."""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from hangtag.settings import RedisSettings
from hangtag.store.errors import StoreError, StoreMismatchError
from hangtag.store.exchange import raise_refusal
from hangtag.store.keys import META_KEY, REBUILD_KEY
from hangtag.store.link import Command
from hangtag.store.redis_store import RedisTagStore
from hangtag.store.scripts import ADVANCE, COMPLETE, WRITE, Script
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

    This holds for one server with its replicas. A cluster would need a hash per shard.
    """

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__(settings)
        self._run_id = ""
        self._step = 0
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
        replies = self._exchange.ask([("HMGET", REBUILD_KEY, "run", "topic", "begun", *fields.values())])
        raise_refusal(replies, self.address)
        run, topic, begun, *found = replies[0]
        now_ms = time.time_ns() // 1_000_000
        offsets = {number: int(offset) for number, offset in zip(partitions, found, strict=True) if offset is not None}
        if (
            from_start
            or None in (run, topic, begun)
            or topic.decode() != topic_id
            or now_ms - int(begun) > self._settings.deleted_ttl_s * 1_000
        ):
            offsets, begun = {}, now_ms
        self._run_id, self._step, self._offsets = uuid.uuid4().hex, 0, {}
        state = ("run", self._run_id, "step", 0, "topic", topic_id, "begun", begun)
        kept = [part for number, offset in offsets.items() for part in (fields[number], offset)]
        clear: Command = ("HDEL", REBUILD_KEY, "run", *fields.values())
        scripts = [("SCRIPT", "LOAD", script.text) for script in (WRITE, ADVANCE)]
        raise_refusal(self._exchange.ask([clear, ("HSET", REBUILD_KEY, *state, *kept), *scripts]), self.address)
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
        self._round_trip(WRITE, [])

    def end(self) -> None:
        """Record that the store is complete again, and remove the progress.

        Raises:
            StoreWentBackError: the store no longer has everything that this rebuild wrote.
            StoreError: the store did not answer; call again.
        """
        self.save()
        complete: Command = ("EVALSHA", COMPLETE.sha, 1, META_KEY, self.identity)
        replies = self._exchange.ask([("SCRIPT", "LOAD", COMPLETE.text), complete])
        raise_refusal(replies, self.address)
        if replies[1] != 1:
            raise self._went_back()
        progress = ("run", "step", "topic", "begun", *self._fields.values())
        raise_refusal(self._exchange.ask([("HDEL", REBUILD_KEY, *progress)]), self.address)

    def _round_trip(self, script: Script, calls: list[tuple[str, bytes, int]]) -> list[Any]:
        """Everything again if the store has forgotten the script that raises the number: it must follow its writes."""
        commands: list[Command] = [("EVALSHA", script.sha, 1, *call) for call in calls]
        fields = [part for number, offset in self._offsets.items() for part in (self._fields[number], offset)]
        steps = (self._run_id, self._step, self._step + 1, *fields)
        for _ in range(_TRIES):
            *replies, advanced = self._with_meta([*commands, ("EVALSHA", ADVANCE.sha, 1, REBUILD_KEY, *steps)])
            if not isinstance(advanced, NoScriptError):
                break
            raise_refusal(self._exchange.ask([("SCRIPT", "LOAD", ADVANCE.text)]), self.address)
        raise_refusal([advanced], self.address)
        if advanced != 1:
            raise self._went_back()
        self._step += 1
        return replies

    def _went_back(self) -> StoreError:
        replies = self._exchange.ask([("HMGET", REBUILD_KEY, "run")])
        raise_refusal(replies, self.address)
        other = replies[0][0]
        if other not in (None, self._run_id.encode()):
            return StoreMismatchError(
                f"another `hangtag rebuild` has begun with the store at {self.address}; let that one end"
            )
        return StoreWentBackError(
            f"the store at {self.address} lost what was written last: it was flushed, or failed over or restarted"
        )
