"""The pointer in Redis, where programs read it: the key `ht:models:{route}`. The topic is the truth."""

from typing import Self

from redis.exceptions import NoScriptError

from hangtag.models.errors import ModelsError
from hangtag.models.pointer import Pointer
from hangtag.settings import RedisSettings
from hangtag.store.exchange import all_values, raise_refusal
from hangtag.store.lua import COMPARE
from hangtag.store.open import open_exchange
from hangtag.store.scripts import Script

# KEYS: of the route. ARGV: a byte with the format, the sequence in 8 bytes, big-endian, then the pointer as JSON. What
# is no such value is replaced. The reply is 1 if the key has this pointer now, 0 if it has a later one.
_WRITE = Script(
    COMPARE
    + """
local found = redis.pcall('GET', KEYS[1])
local is_pointer = type(found) == 'string' and string.byte(found, 1) == 1 and string.byte(found, 10) == 123
if is_pointer and compare(found, ARGV[1], 2, 9) < 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
)
_FORMAT = b"\x01"
_SEQUENCE = slice(1, 9)
_TRIES = 3


class PointerRecord:
    """Reads and writes the pointer in the store; of two, the one with the larger sequence stays.

    Any thread may call. Both methods raise `StoreError` if the store cannot be reached or refuses.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._exchange = open_exchange(settings, 1, limit_s=2 * settings.timeout_ms / 1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, route: str = "default") -> Pointer | None:
        """The pointer of a route; None: the store has none, or one that this release cannot read."""
        (value,) = all_values(self._exchange.values([key_of(route)]))
        return _pointer(value)

    def write(self, pointer: Pointer) -> bool:
        """Write a pointer; False: the store has a later one."""
        value = _FORMAT + pointer.sequence.to_bytes(8, "big") + pointer.to_json().encode()
        call = _WRITE.call([key_of(pointer.route)], value)
        for _ in range(_TRIES):
            replies = self._exchange.ask([call])
            if not isinstance(replies[0], NoScriptError):
                break
            raise_refusal(self._exchange.ask_all(("SCRIPT", "LOAD", _WRITE.text)), self._exchange.address)
        raise_refusal(replies, self._exchange.address)
        return bool(replies[0])

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()


def key_of(route: str) -> str:
    """The key of a route's pointer."""
    return f"ht:models:{{{route}}}"


def _pointer(value: bytes | None) -> Pointer | None:
    if value is None or value[:1] != _FORMAT:
        return None
    try:
        pointer = Pointer.of(value[_SEQUENCE.stop :])
    except ModelsError:
        return None
    return pointer if pointer.sequence == int.from_bytes(value[_SEQUENCE], "big") else None
