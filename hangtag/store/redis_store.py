"""The store as a writer uses it: blocking, one round trip per batch."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError

from hangtag.settings import RedisSettings
from hangtag.store.entry import Entry, Outcome, Reply, check_version
from hangtag.store.eviction import check_eviction
from hangtag.store.exchange import all_values, raise_refusal
from hangtag.store.keys import META_KEY, product_key, seen_key
from hangtag.store.link import Command
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.open import open_exchange
from hangtag.store.scripts import OUTCOMES, REPLACED, SEE, WRITE, Script
from hangtag.store.shard_marks import ShardMarks
from hangtag.store.value import FORMAT, pack, pack_version, unpack_entry
from hangtag.telemetry import get_log

_CONNECTIONS = 4
_TRIES = 3

_Call = tuple[str, bytes, int]

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

    def mark_seen(self, products: Sequence[tuple[str, int]]) -> None:
        """See `TagStore`; a mark lives for `seen_ttl_s` and is only ever raised."""
        for _, version in products:
            check_version(version)
        ttl_s, buckets = self._settings.seen_ttl_s, self._settings.buckets
        self._run(SEE, [(seen_key(product, buckets), pack_version(version), ttl_s) for product, version in products])

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """See `TagStore`. After an error some entries may be written. A deletion lives for `deleted_ttl_s`."""
        ttl_s, buckets = self._settings.deleted_ttl_s, self._settings.buckets
        calls = [(product_key(e.product_id, buckets), pack(e), ttl_s if e.is_deletion else 0) for e in entries]
        return [_reply(entry, reply) for entry, reply in zip(entries, self._run(WRITE, calls), strict=True)]

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

    def _run(self, script: Script, calls: list[_Call]) -> list[Any]:
        """Run a script once per call, all in one round trip; one more if the store has forgotten the script."""
        if not calls:
            return []
        if not self._state.is_claimed:
            self.check()
        results: list[Any] = [None] * len(calls)
        waiting = list(range(len(calls)))
        for _ in range(_TRIES):
            replies = self._round_trip(script, [calls[place] for place in waiting])
            for place, reply in zip(waiting, replies, strict=True):
                results[place] = reply
            waiting = [place for place in waiting if isinstance(results[place], NoScriptError)]
            if not waiting:
                break
            raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", script.text)), self.address)
        raise_refusal(results, self.address)
        for (key, _, _), result in zip(calls, results, strict=True):
            if result == REPLACED:
                _log.warning("foreign_value_replaced", key=key, next="find the program that writes keys with `ht:`")
        return results

    def _round_trip(self, script: Script, calls: list[_Call]) -> list[Any]:
        """One reply or exception per call."""
        return self._with_meta([("EVALSHA", script.sha, 1, key, value, ttl_s) for key, value, ttl_s in calls])

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


def _reply(entry: Entry, reply: Any) -> Reply:
    if isinstance(reply, int):
        return Reply(OUTCOMES[reply])
    return Reply(Outcome.DECIDED, unpack_entry(entry.product_id, reply))
