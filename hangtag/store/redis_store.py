"""The store as a writer uses it: blocking, one round trip per batch."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from hangtag.settings import RedisSettings
from hangtag.store.client import open_pool
from hangtag.store.entry import Entry, Outcome, Reply, check_version
from hangtag.store.errors import StoreError, address_of, store_error
from hangtag.store.keys import META_KEY, product_key, seen_key
from hangtag.store.meta import META_FIELDS, StoreState, read_meta
from hangtag.store.scripts import OUTCOMES, SEE, WRITE, Script
from hangtag.store.value import FORMAT, pack, pack_version, unpack_entry

_CONNECTIONS = 4
_TRIES = 3

_Call = tuple[str, bytes, int]


class RedisTagStore:
    """Writes to Redis or Valkey. Any thread may call it. It connects with the first call and again after a loss.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.address = address_of(settings.url.get_secret_value())
        self._settings = settings
        self._state = StoreState()
        pool = open_pool(BlockingConnectionPool, Retry, settings, _CONNECTIONS)
        self._redis = Redis(connection_pool=pool)

    @property
    def identity(self) -> str:
        """See `TagStore`."""
        return self._state.identity

    def check(self) -> StoreState:
        """Connect; write format, bucket count and a new identity to an unused store, or compare them with the settings.

        A store that had an identity when this object last looked and has another one now has lost its data: that is
        recorded in the store until a rebuild ends.

        Raises:
            StoreMismatchError: another format or bucket count, or the store denies access.
            StoreError: the store cannot be reached.
        """
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hsetnx(META_KEY, "format", FORMAT)
                pipeline.hsetnx(META_KEY, "buckets", self._settings.buckets)
                pipeline.hsetnx(META_KEY, "identity", uuid.uuid4().hex)
                pipeline.hmget(META_KEY, META_FIELDS)
                found = pipeline.execute()[-1]
        except RedisError as error:
            raise store_error(self.address, error) from error
        return self._note(read_meta(found, self._settings.buckets, self.address))

    def expect(self, identities: Sequence[str]) -> None:
        """See `TagStore`."""
        state = self.check()
        if any(identity != state.identity for identity in identities):
            self._record_loss(state)

    def begin_rebuild(self) -> StoreState:
        """Take the store over for a rebuild, whatever format it had.

        Raises:
            StoreMismatchError: another bucket count, or the store denies access.
            StoreError: the store cannot be reached.
        """
        try:
            self._redis.hset(META_KEY, "format", FORMAT)
        except RedisError as error:
            raise store_error(self.address, error) from error
        return self.check()

    def end_rebuild(self) -> None:
        """Record that the store is complete again.

        Raises:
            StoreError: the store cannot be reached, or it was emptied during the rebuild.
        """
        identity = self.identity
        if self.check().identity != identity:
            msg = f"the store at {self.address} lost its data during the rebuild; run `hangtag rebuild` again"
            raise StoreError(msg)
        try:
            with self._redis.pipeline() as pipeline:
                pipeline.hset(META_KEY, "rebuilt", identity)
                pipeline.hdel(META_KEY, "emptied")
                pipeline.execute()
        except RedisError as error:
            raise store_error(self.address, error) from error

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
        """See `TagStore`."""
        if not product_ids:
            return []
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for product_id in product_ids:
                    pipeline.get(product_key(product_id, self._settings.buckets))
                values = pipeline.execute()
        except RedisError as error:
            raise store_error(self.address, error) from error
        return [unpack_entry(product_id, value) for product_id, value in zip(product_ids, values, strict=True)]

    def close(self) -> None:
        """See `TagStore`."""
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def _note(self, state: StoreState) -> StoreState:
        before, self._state = self._state.identity, state
        if before not in ("", state.identity):
            self._record_loss(state)
        return state

    def _record_loss(self, state: StoreState) -> None:
        if state.rebuilt_identity == state.identity or state.emptied_ms is not None:
            return
        try:
            self._redis.hsetnx(META_KEY, "emptied", time.time_ns() // 1_000_000)
        except RedisError as error:
            raise store_error(self.address, error) from error

    def _run(self, script: Script, calls: list[_Call]) -> list[Any]:
        """Run a script once per call, all in one round trip; one more if the store has forgotten the script."""
        if not calls:
            return []
        if not self._state.is_claimed:
            self.check()
        results: list[Any] = [None] * len(calls)
        waiting = list(range(len(calls)))
        for _ in range(_TRIES):
            try:
                replies = self._round_trip(script, [calls[place] for place in waiting])
                for place, reply in zip(waiting, replies, strict=True):
                    results[place] = reply
                waiting = [place for place in waiting if isinstance(results[place], NoScriptError)]
                if not waiting:
                    break
                self._redis.script_load(script.text)
            except RedisError as error:
                raise store_error(self.address, error) from error
        for result in results:
            if isinstance(result, Exception):
                raise store_error(self.address, result) from result
        return results

    def _round_trip(self, script: Script, calls: list[_Call]) -> list[Any]:
        """One reply or exception per call."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(META_KEY, META_FIELDS)
            for key, value, ttl_s in calls:
                pipeline.evalsha(script.sha, 1, key, value, ttl_s)
            meta, *replies = pipeline.execute(raise_on_error=False)
        if isinstance(meta, Exception):
            raise meta
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
