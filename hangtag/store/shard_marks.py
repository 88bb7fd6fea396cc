"""Keys by which workers notice that one node of a cluster has lost its data: the node with `ht:meta` may be another."""

import time
import uuid

from hangtag.store.exchange import Exchange, raise_refusal
from hangtag.store.keys import META_KEY, mark_keys
from hangtag.store.meta import StoreState
from hangtag.store.scripts import Script

# On `ht:meta`. ARGV: the identity that the store had, another one, the time in ms since 1970.
_RENEW = Script("""
if redis.call('HMGET', KEYS[1], 'identity')[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'identity', ARGV[2], 'emptied', ARGV[3])
return 1
""")


class ShardMarks:
    """One key in each bucket, written before the store is claimed. Where one is missing later, its node was emptied."""

    def __init__(self, exchange: Exchange, buckets: int) -> None:
        self._exchange = exchange
        self._keys = mark_keys(buckets)

    def check(self, state: StoreState) -> None:
        """Write the keys that are missing. `state` was read before.

        If the store was claimed then, give it another identity and record that it has lost data. A node that does not
        answer is left out.

        Raises:
            StoreError: no node answers, or one refuses the commands.
        """
        values = self._exchange.values(self._keys)
        missing = [key for key, value in zip(self._keys, values, strict=True) if value is None]
        if not missing:
            return
        if state.is_claimed:
            raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", _RENEW.text)), self._exchange.address)
            now_ms = time.time_ns() // 1_000_000
            renew = ("EVALSHA", _RENEW.sha, 1, META_KEY, state.identity, uuid.uuid4().hex, now_ms)
            raise_refusal(self._exchange.ask([renew]), self._exchange.address)
        raise_refusal(self._exchange.ask([("SET", key, b"", "NX") for key in missing]), self._exchange.address)
