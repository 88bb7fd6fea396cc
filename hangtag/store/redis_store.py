"""The store as a writer uses it: blocking, one round trip per batch."""

import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from hangtag.settings import RedisSettings
from hangtag.store.arrival import Arrival
from hangtag.store.entry import Entry, Outcome, Reply, check_version
from hangtag.store.eviction import check_eviction
from hangtag.store.exchange import all_values, raise_refusal
from hangtag.store.keys import META_KEY, bucket_of, product_key, seen_key
from hangtag.store.link import Command
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.open import open_exchange
from hangtag.store.progress import PartitionProgress, write_progress
from hangtag.store.scripts import FIRST_KEY, OUTCOMES, REPLACED, SEE, WRITE, Script
from hangtag.store.shard_marks import ShardMarks
from hangtag.store.value import FORMAT, pack, pack_mark, unpack_entry
from hangtag.telemetry import get_log

_CONNECTIONS = 4
_TRIES = 3

# Products that one call of a script marks: a server does nothing else meanwhile, for less than a millisecond.
_MARKED_AT_ONCE = 100

_log = get_log(__name__)


class RedisTagStore:
    """Writes to Redis or Valkey. Any thread may call it. It connects with the first call and again after a loss.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._exchange = open_exchange(settings, _CONNECTIONS)
        self.address = self._exchange.address
        self.eviction_policy = ""
        """The store's `maxmemory-policy`; empty before the first check, and if the store does not tell it."""
        self._settings = settings
        self._state = StoreState()
        self._shards = ShardMarks(self._exchange, settings.buckets) if self._exchange.is_cluster else None

    @property
    def identity(self) -> str:
        """See `TagStore`."""
        return self._state.identity

    def check(self) -> StoreState:
        """Connect; write format, bucket count and a new identity to an unused store, or compare them with the settings.

        A store that had an identity when this object last looked and has another one now has lost its data: that is
        recorded in the store until a rebuild ends. So is the loss of one node of a cluster.

        Raises:
            StoreMismatchError: another format or bucket count, a policy that evicts, a node of a cluster, or the store
                denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        if self._shards is not None:
            (found,) = self._exchange.ask([READ_META])
            self._shards.check(read_meta(found, self._settings.buckets, self.address))
        *claims, found = self._exchange.ask(
            [
                ("HSETNX", META_KEY, "format", FORMAT),
                ("HSETNX", META_KEY, "buckets", self._settings.buckets),
                ("HSETNX", META_KEY, "identity", uuid.uuid4().hex),
                READ_META,
            ]
        )
        state = read_meta(found, self._settings.buckets, self.address)
        raise_refusal(claims, self.address)
        policies = {check_eviction(info, self.address) for info in self._exchange.ask_all(("INFO", "memory"))}
        self.eviction_policy = "" if "" in policies else ", ".join(sorted(policies))
        return self._note(state)

    def expect(self, identities: Sequence[str]) -> None:
        """See `TagStore`."""
        state = self.check()
        if any(identity != state.identity for identity in identities):
            self._record_loss(state)

    def mark_seen(self, arrivals: Sequence[Arrival]) -> None:
        """See `TagStore`; a mark lives for `seen_ttl_s`."""
        self._mark(arrivals, is_refused=False)

    def mark_refused(self, arrivals: Sequence[Arrival]) -> None:
        """See `TagStore`."""
        self._mark(arrivals, is_refused=True)

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """See `TagStore`. After an error some entries may be written. A deletion lives for `deleted_ttl_s`."""
        calls = [self._write_call(entry) for entry in entries]
        replies = self._run(WRITE, calls)
        for call, reply in zip(calls, replies, strict=True):
            if reply == REPLACED:
                _warn_of_foreign(call[FIRST_KEY])
        return [_reply(entry, reply) for entry, reply in zip(entries, replies, strict=True)]

    def publish(self, progress: Mapping[int, PartitionProgress]) -> None:
        """Tell servers how far this worker is, by number of the partition.

        Raises:
            StoreError: the store did not answer.
        """
        if progress:
            raise_refusal(self._exchange.ask([write_progress(progress)]), self.address)

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """See `TagStore`. A key of another type counts as none."""
        if not product_ids:
            return []
        keys = [product_key(product_id, self._settings.buckets) for product_id in product_ids]
        values = all_values(self._exchange.values(keys))
        return [unpack_entry(product_id, value) for product_id, value in zip(product_ids, values, strict=True)]

    def close(self) -> None:
        """See `TagStore`."""
        self._exchange.close()

    def _write_call(self, entry: Entry, more_keys: Sequence[str] = (), *more: Any) -> Command:
        """The call of the script that writes an entry; `more` is for a re-tag."""
        settings = self._settings
        keys = product_key(entry.product_id, settings.buckets), seen_key(entry.product_id, settings.buckets)
        lives_s = settings.deleted_ttl_s if entry.is_deletion else 0
        return WRITE.call((*keys, *more_keys), pack(entry), lives_s, settings.seen_ttl_s, *more)

    def _note(self, state: StoreState) -> StoreState:
        before, self._state = self._state.identity, state
        if before not in ("", state.identity):
            self._record_loss(state)
        return state

    def _record_loss(self, state: StoreState) -> None:
        if state.rebuilt_identity == state.identity or state.emptied_ms is not None:
            return
        replies = self._exchange.ask([("HSETNX", META_KEY, "emptied", time.time_ns() // 1_000_000)])
        raise_refusal(replies, self.address)

    def _mark(self, arrivals: Sequence[Arrival], *, is_refused: bool) -> None:
        for arrival in arrivals:
            check_version(arrival.version)
        buckets = self._settings.buckets
        # The keys of a bucket are in one slot: one call for many of them runs on a cluster too.
        by_bucket: defaultdict[int, list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            by_bucket[bucket_of(arrival.product_id, buckets)].append(arrival)
        calls = []
        for together in by_bucket.values():
            for start in range(0, len(together), _MARKED_AT_ONCE):
                some = together[start : start + _MARKED_AT_ONCE]
                keys = [key(one.product_id, buckets) for one in some for key in (seen_key, product_key)]
                marks = [pack_mark(one.seen(is_refused=is_refused)) for one in some]
                calls.append(SEE.call(keys, self._settings.seen_ttl_s, *marks))
        for call, place in zip(calls, self._run(SEE, calls), strict=True):
            if place:
                _warn_of_foreign(call[FIRST_KEY + place - 1])

    def _run(self, script: Script, calls: list[Command]) -> list[Any]:
        """Run calls of a script, all in one round trip; one more if the store has forgotten the script."""
        if not calls:
            return []
        if not self._state.is_claimed:
            self.check()
        results: list[Any] = [None] * len(calls)
        waiting = list(range(len(calls)))
        for _ in range(_TRIES):
            replies = self._round_trip([calls[place] for place in waiting])
            for place, reply in zip(waiting, replies, strict=True):
                results[place] = reply
            waiting = [place for place in waiting if isinstance(results[place], NoScriptError)]
            if not waiting:
                break
            raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", script.text)), self.address)
        raise_refusal(results, self.address)
        return results

    def _round_trip(self, calls: list[Command]) -> list[Any]:
        """One reply or exception per call."""
        return self._with_meta(calls)

    def _with_meta(self, commands: list[Command]) -> list[Any]:
        """One reply or exception per command, once the store is known to fit the settings."""
        meta, *replies = self._exchange.ask([READ_META, *commands])
        # The store may have been emptied, or emptied and claimed by another worker, since the last call.
        state = read_meta(meta, self._settings.buckets, self.address)
        if state.is_claimed:
            self._note(state)
        else:
            self.check()
        return replies


def _warn_of_foreign(key: str) -> None:
    _log.warning("foreign_value_replaced", key=key, next="find the program that writes keys with `ht:`")


def _reply(entry: Entry, reply: Any) -> Reply:
    if isinstance(reply, int):
        return Reply(OUTCOMES[reply])
    return Reply(Outcome.DECIDED, unpack_entry(entry.product_id, reply))
