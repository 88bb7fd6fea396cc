"""The newest text of each product in the store, for calls that need one product's text (`redis.texts`)."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import NoScriptError

from hangtag.settings import RedisSettings
from hangtag.store.exchange import all_values, raise_refusal
from hangtag.store.keys import text_key
from hangtag.store.lua import COMPARE
from hangtag.store.open import open_exchange
from hangtag.store.scripts import Script

_FORMAT = 1
# Format, version in 8 bytes, big-endian, and whether the product was deleted: the byte order of the last two is that of
# versions.
_HEADER_BYTES = 10
_TRIES = 3

# ARGV: the value, seconds that it lives (0: for ever). What is no such value is replaced.
_WRITE = Script(
    COMPARE
    + f"""
local found = redis.pcall('GET', KEYS[1])
local is_text = type(found) == 'string' and #found >= {_HEADER_BYTES} and string.byte(found, 1) == {_FORMAT}
if is_text and compare(found, ARGV[1], 2, {_HEADER_BYTES}) < 0 then return 0 end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return 1
"""
)


class StoredText(NamedTuple):
    """The text of a version of a product: `payload` is a serialised `ProductText`, empty if it was deleted."""

    product_id: str
    version: int
    payload: bytes


class TextStore:
    """Writes and reads texts; of two of a product the newer one stays. Any thread may call.

    Its methods raise `StoreError` if the store cannot be reached or refuses.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._exchange = open_exchange(settings, 1)

    def write(self, texts: Sequence[StoredText]) -> None:
        """Keep these texts, in one round trip. A deletion lives for `deleted_ttl_s`."""
        calls = [
            _WRITE.call(
                [text_key(text.product_id, self._settings.buckets)],
                bytes([_FORMAT]) + text.version.to_bytes(8, "big") + bytes([not text.payload]) + text.payload,
                0 if text.payload else self._settings.deleted_ttl_s,
            )
            for text in texts
        ]
        for _ in range(_TRIES):
            if not calls:
                return
            replies = self._exchange.ask(calls)
            forgotten = [isinstance(reply, NoScriptError) for reply in replies]
            raise_refusal([reply for reply in replies if not isinstance(reply, NoScriptError)], self._exchange.address)
            calls = [call for call, is_forgotten in zip(calls, forgotten, strict=True) if is_forgotten]
            if calls:
                loaded = self._exchange.ask_all(("SCRIPT", "LOAD", _WRITE.text))
                raise_refusal(loaded, self._exchange.address)
        raise_refusal(replies, self._exchange.address)

    def read(self, product_ids: Sequence[str]) -> list[bytes | None]:
        """The serialised `ProductText` of each product; None: there is none."""
        if not product_ids:
            return []
        keys = [text_key(product_id, self._settings.buckets) for product_id in product_ids]
        values = all_values(self._exchange.values(keys))
        return [
            value[_HEADER_BYTES:] or None if value is not None and value[:1] == b"\x01" else None for value in values
        ]

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()


def _payload(value: bytes | None) -> bytes | None:
    is_text = value is not None and len(value) >= _HEADER_BYTES and value[0] == _FORMAT
    return (value[_HEADER_BYTES:] or None) if value is not None and is_text else None
