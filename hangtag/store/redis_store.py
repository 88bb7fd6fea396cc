"""The store as a worker uses it: blocking, one round trip a batch."""

from collections.abc import Sequence
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from hangtag.settings import RedisSettings
from hangtag.store.client import open_pool
from hangtag.store.entry import Entry, Outcome, check_version
from hangtag.store.errors import address_of, store_error
from hangtag.store.keys import META_KEY, product_key, seen_key
from hangtag.store.meta import META_FIELDS, check_meta, meta_values
from hangtag.store.scripts import OUTCOMES, SEE, WRITE, Script
from hangtag.store.value import pack, pack_version, unpack

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
        self._checked = False
        pool = open_pool(BlockingConnectionPool, Retry, settings, _CONNECTIONS)
        self._redis = Redis(connection_pool=pool)

    def check(self) -> None:
        """Connect; claim an unused store for our format and bucket count, or compare with what it was claimed for.

        Raises:
            StoreMismatchError: another format or bucket count, or the store refuses us.
            StoreError: the store cannot be reached.
        """
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for field, value in meta_values(self._settings.buckets).items():
                    pipeline.hsetnx(META_KEY, field, value)
                pipeline.hmget(META_KEY, META_FIELDS)
                found = pipeline.execute()[-1]
        except RedisError as error:
            raise store_error(self.address, error) from error
        check_meta(found, self._settings.buckets, self.address)
        self._checked = True

    def mark_seen(self, products: Sequence[tuple[str, int]]) -> None:
        """Note that these (product id, version) are on their way, for `seen_ttl_s`; a mark is only ever raised.

        Raises:
            StoreError: the store cannot be reached or answers wrongly.
            ValueError: a version is outside 0..2^63-1; nothing is marked.
        """
        for _, version in products:
            check_version(version)
        ttl_s, buckets = self._settings.seen_ttl_s, self._settings.buckets
        self._run(SEE, [(seen_key(product, buckets), pack_version(version), ttl_s) for product, version in products])

    def write(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Write what is newer than what is stored; one outcome an entry, in order. Safe to repeat after an error.

        A higher version wins. The same version wins if another bundle tagged it, or if it is the deletion of stored
        tags; tags never replace the deletion of their own version.

        Raises:
            StoreError: the store cannot be reached or answers wrongly; some entries may be written.
        """
        ttl_s, buckets = self._settings.deleted_ttl_s, self._settings.buckets
        calls = [(product_key(e.product_id, buckets), pack(e), ttl_s if e.is_deletion else 0) for e in entries]
        return [OUTCOMES[number] for number in self._run(WRITE, calls)]

    def payloads(self, product_ids: Sequence[str]) -> list[bytes | None]:
        """What the store holds of these products, in order: serialised `ProductTags`.

        Empty bytes: the product is deleted. None: the store does not know it.

        Raises:
            StoreError: the store cannot be reached or answers wrongly.
        """
        if not product_ids:
            return []
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for product_id in product_ids:
                    pipeline.get(product_key(product_id, self._settings.buckets))
                found = [unpack(value, None) for value in pipeline.execute()]
        except RedisError as error:
            raise store_error(self.address, error) from error
        return [None if stored.version is None else stored.payload for stored in found]

    def close(self) -> None:
        """Let go of connections."""
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def _run(self, script: Script, calls: list[_Call]) -> list[int]:
        """Run a script once a call, all in one round trip; one more if the store has forgotten the script."""
        if not calls:
            return []
        if not self._checked:
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
        """One reply or exception a call."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(META_KEY, META_FIELDS)
            for key, value, ttl_s in calls:
                pipeline.evalsha(script.sha, 1, key, value, ttl_s)
            meta, *replies = pipeline.execute(raise_on_error=False)
        if isinstance(meta, Exception):
            raise meta
        # The store may have been emptied, or emptied and claimed by another, since the last look.
        if not check_meta(meta, self._settings.buckets, self.address):
            self.check()
        return replies
