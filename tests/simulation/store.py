"""A store server in memory that runs Hangtag's own Lua scripts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from lupa.lua51 import LuaRuntime
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError

from tests.simulation.hub import Hub

_WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
_FULL = "OOM command not allowed when used memory > 'maxmemory'."
_READ_ONLY = "READONLY You can't write against a read only replica."
_FOREIGN = object()
_OF_HASHES = (b"HMGET", b"HSET", b"HDEL")
_WRITES = ("HSETNX", "HSET", "HDEL", "EVALSHA")


class Scripts:
    """Runs the text of scripts by a real Lua 5.1, as a server does; one per process serves all simulations."""

    def __init__(self) -> None:
        self._lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._functions: dict[str, Any] = {}
        self._server: Server | None = None
        self._lua.globals()[b"redis"] = self._lua.table_from({b"call": self._call, b"pcall": self._pcall})

    def load(self, text: str) -> str:
        """The hash of a script that can be run from now on."""
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        if sha not in self._functions:
            self._functions[sha] = self._lua.execute(f"return function(KEYS, ARGV)\n{text}\nend".encode())
        return sha

    def run(self, server: Server, sha: str, keys: list[bytes], args: list[bytes]) -> Any:
        """The script's reply. Raises what `redis.call` raised."""
        self._server = server
        try:
            reply = self._functions[sha](self._lua.table_from(keys), self._lua.table_from(args))
        finally:
            self._server = None
        if isinstance(reply, bytes | int):
            return reply
        raise ResponseError(reply[b"err"].decode())

    def table(self, values: Iterable[Any]) -> Any:
        """A list as scripts see it."""
        return self._lua.table_from(list(values))

    def _call(self, *command: Any) -> Any:
        assert self._server is not None
        found = self._server.in_script(command)
        return False if found is None else found

    def _pcall(self, *command: Any) -> Any:
        try:
            return self._call(*command)
        except ResponseError as error:
            return self._lua.table_from({b"err": str(error).encode()})


SCRIPTS = Scripts()


class Server:
    """One server: a primary, or since a failover a replica that nobody updates.

    `on_set` is called with key, old and new value of each write. A journal of the writes makes replicas that are
    behind.
    """

    def __init__(self, hub: Hub, on_set: Callable[[str, Any, bytes], None]) -> None:
        self._hub = hub
        self._on_set = on_set
        self.values: dict[str, Any] = {}
        self.deadlines: dict[str, float] = {}
        self.hashes: dict[str, dict[str, bytes]] = {}
        self.scripts: set[str] = set()
        self.is_replica = False
        self.is_full = False
        self._journal: list[tuple[str, str | None, Any]] = []  # key, field of a hash, what was there before

    def replica(self, lacking: int) -> Self:
        """A server without the last so many writes of this one, as a failover makes it a primary."""
        other = type(self)(self._hub, self._on_set)
        other.values, other.deadlines = dict(self.values), dict(self.deadlines)
        other.hashes = {key: dict(fields) for key, fields in self.hashes.items()}
        for key, field, old in self._journal[len(self._journal) - min(lacking, len(self._journal)) :][::-1]:
            place, name = (other.values, key) if field is None else (other.hashes.setdefault(key, {}), field)
            if old is None:
                place.pop(name, None)
            else:
                place[name] = old
        return other

    def flush(self) -> None:
        """Lose all data."""
        self.values.clear()
        self.deadlines.clear()
        self.hashes.clear()
        self._journal.clear()

    def take_over(self, key: str) -> None:
        """Another program writes a list under a key of ours."""
        self._journal.append((key, None, self.values.get(key)))
        self.values[key] = _FOREIGN

    def run(self, command: tuple[Any, ...]) -> Any:
        """The reply to a command, or the exception that redis-py makes of it."""
        name = command[0]
        if name == "SCRIPT":
            self.scripts.add(SCRIPTS.load(command[2]))
            return b"OK"
        if name in _WRITES and self.is_replica:
            return ReadOnlyError(_READ_ONLY)
        if name in _WRITES and self.is_full and name != "EVALSHA":
            return OutOfMemoryError(_FULL)
        try:
            return _COMMANDS[name](self, *command[1:])
        except ResponseError as error:
            return error

    def in_script(self, command: tuple[Any, ...]) -> Any:
        """`redis.call` of a script. Raises ResponseError."""
        name, key, *rest = command
        key = key.decode()
        if name == b"SET":
            if self.is_full:
                raise OutOfMemoryError(_FULL)
            self._set(key, rest[0], float(rest[2]) if len(rest) > 1 else None)
            return b"OK"
        if name == b"DEL":
            return self._del(key)
        if name in _OF_HASHES:
            return self._in_hash(name, key, rest)
        found = self._get(key)
        if found is _FOREIGN:
            raise ResponseError(_WRONG_TYPE)
        return (found or b"")[rest[0] : rest[1] + 1] if name == b"GETRANGE" else found

    def _in_hash(self, name: bytes, key: str, arguments: Sequence[bytes]) -> Any:
        texts = [each.decode() for each in arguments]
        if name == b"HMGET":
            # As in Redis, a field that is not there is `false` in Lua.
            return SCRIPTS.table(each if each is not None else False for each in self._hmget(key, *texts))
        if self.is_full and name == b"HSET":
            raise OutOfMemoryError(_FULL)
        return self._hset(key, *texts) if name == b"HSET" else self._hdel(key, *texts)

    def _get(self, key: str) -> Any:
        if self.deadlines.get(key, self._hub.now) < self._hub.now:
            del self.values[key], self.deadlines[key]
        return self.values.get(key)

    def _set(self, key: str, value: bytes, ttl_s: float | None) -> None:
        old = self._get(key)
        self._on_set(key, None if old is _FOREIGN else old, value)
        self._journal.append((key, None, old))
        self.values[key] = value
        if ttl_s is None:
            self.deadlines.pop(key, None)
        else:
            self.deadlines[key] = self._hub.now + ttl_s

    def _del(self, key: str) -> int:
        old = self._get(key)
        if old is None:
            return 0
        self._journal.append((key, None, old))
        self.values.pop(key)
        self.deadlines.pop(key, None)
        return 1

    def _hello(self) -> dict[bytes, bytes]:
        return {b"role": b"slave" if self.is_replica else b"master", b"mode": b"standalone"}

    def _hsetnx(self, key: str, field: str, value: Any) -> int:
        return 0 if field in self.hashes.get(key, {}) else self._hset(key, field, value)

    def _hset(self, key: str, *pairs: Any) -> int:
        fields = self.hashes.setdefault(key, {})
        for field, value in zip(pairs[::2], pairs[1::2], strict=True):
            self._journal.append((key, field, fields.get(field)))
            fields[field] = value if isinstance(value, bytes) else str(value).encode()
        return len(pairs) // 2

    def _hdel(self, key: str, *names: str) -> int:
        fields = self.hashes.get(key, {})
        known = [name for name in names if name in fields]
        self._journal += [(key, name, fields.pop(name)) for name in known]
        return len(known)

    def _hmget(self, key: str, *names: str) -> list[bytes | None]:
        fields = self.hashes.get(key, {})
        return [fields.get(name) for name in names]

    def _info(self, _section: str) -> bytes:
        return b"maxmemory:0\r\nmaxmemory_policy:noeviction\r\n"

    def _mget(self, *keys: str) -> list[bytes | None]:
        return [None if (found := self._get(key)) is _FOREIGN else found for key in keys]

    def _evalsha(self, sha: str, count: int, *arguments: Any) -> Any:
        if sha not in self.scripts:
            return NoScriptError("NOSCRIPT No matching script. Please use EVAL.")
        texts = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
        return SCRIPTS.run(self, sha, texts[:count], texts[count:])


_COMMANDS: Mapping[str, Callable[..., Any]] = {
    "HELLO": Server._hello,
    "HSETNX": Server._hsetnx,
    "HSET": Server._hset,
    "HDEL": Server._hdel,
    "HMGET": Server._hmget,
    "INFO": Server._info,
    "MGET": Server._mget,
    "EVALSHA": Server._evalsha,
}
