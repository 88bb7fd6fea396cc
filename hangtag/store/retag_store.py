"""The store as `hangtag retag` writes it: the tags that it replaces are kept, and how far it has come."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from hangtag.settings import RedisSettings
from hangtag.store.entry import Entry, Outcome, Reply
from hangtag.store.errors import StoreMismatchError
from hangtag.store.exchange import raise_refusal
from hangtag.store.keys import ALL_FORMER, RETAG_KEY, former_key, product_of
from hangtag.store.link import Command
from hangtag.store.redis_store import RedisTagStore
from hangtag.store.retag_run import RUN_ID_BYTES, RetagRun
from hangtag.store.scripts import NOTE
from hangtag.store.value import unpack_entry

_SCAN_COUNT = 1_000
_CONFIRMED = frozenset({Outcome.WRITTEN, Outcome.SAME})


class Former(NamedTuple):
    """Tags that the re-tag `run_id` replaced."""

    run_id: str
    entry: Entry


class RetagStore(RedisTagStore):
    """A `RedisTagStore` for one thread, whose writes replace tags of the same version and nothing else.

    With a `run_id` (16 hex digits) the tags that a write replaces are kept under a key of their own. With `creates` it
    also writes products that the store does not hold.
    """

    def __init__(self, settings: RedisSettings, run_id: str = "", *, creates: bool = False) -> None:
        super().__init__(settings)
        self._holder = uuid.uuid4().hex
        self.run_id = run_id
        self.creates = creates
        self._confirmed: set[str] = set()

    def begin_batch(self) -> None:
        """What is written next was decided by what `read` returned since the last call."""
        self._confirmed.clear()

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """See `TagStore`. GONE: the store holds no tags of this version.

        What it has taken once in a batch it takes again even so: the store has lost it meanwhile.
        """
        replies = super().write(entries)
        self._confirmed.update(
            entry.product_id for entry, reply in zip(entries, replies, strict=True) if reply.outcome in _CONFIRMED
        )
        return replies

    def run(self) -> RetagRun | None:
        """The re-tag that the store knows of: it goes on, or its former tags are kept.

        Raises:
            StoreError: the store did not answer.
        """
        replies = self._exchange.ask([("HMGET", RETAG_KEY, "run")])
        raise_refusal(replies, self.address)
        return RetagRun.unpack(replies[0][0])

    def take_over(self, run: RetagRun) -> None:
        """Begin a re-tag, or go on with one: an earlier process of it writes no more.

        Raises:
            StoreError: the store did not answer.
        """
        raise_refusal(
            self._exchange.ask([("HSET", RETAG_KEY, "holder", self._holder, "run", run.pack())]), self.address
        )

    def note(self, run: RetagRun) -> None:
        """Save how far it has come.

        Raises:
            StoreMismatchError: another process has taken it over, or the store has lost it.
            StoreError: the store did not answer.
        """
        self._note_fields("run", run.pack())

    def note_writing(self, product_ids: Sequence[str]) -> None:
        """Save which products are written next: until `note`, the topic may lack what the store has of them.

        Raises:
            StoreMismatchError, StoreError: as `note`.
        """
        self._note_fields("writing", orjson.dumps(list(product_ids)))

    def writing(self) -> list[str]:
        """The products that were to be written last.

        Raises:
            StoreError: the store did not answer.
        """
        replies = self._exchange.ask([("HMGET", RETAG_KEY, "writing")])
        raise_refusal(replies, self.address)
        found: list[str] = orjson.loads(replies[0][0] or b"[]")
        return found

    def forget(self) -> None:
        """The re-tag is over: nothing of it can go on or be undone.

        Raises:
            StoreError: the store did not answer.
        """
        raise_refusal(self._exchange.ask([("HDEL", RETAG_KEY, "holder", "run", "writing")]), self.address)

    def formers(self) -> Iterator[list[Former]]:
        """All former tags, as they are found, some of them perhaps twice.

        Raises:
            StoreError: the store did not answer.
        """
        for primary in self._exchange.primaries():
            cursor: int | bytes = 0
            while True:
                replies = primary.ask([("SCAN", cursor, "MATCH", ALL_FORMER, "COUNT", _SCAN_COUNT)])
                raise_refusal(replies, primary.address)
                cursor, keys = replies[0]
                if keys:
                    values = primary.ask([("MGET", key) for key in keys])
                    raise_refusal(values, primary.address)
                    yield [
                        former
                        for key, (value,) in zip(keys, values, strict=True)
                        if (former := _former(product_of(key), value)) is not None
                    ]
                if int(cursor) == 0:
                    break

    def drop_formers(self, product_ids: Sequence[str]) -> None:
        """Keep the former tags of these products no longer.

        Raises:
            StoreError: the store did not answer.
        """
        commands: list[Command] = [("DEL", former_key(each, self._settings.buckets)) for each in product_ids]
        if commands:
            raise_refusal(self._exchange.ask(commands), self.address)

    def _note_fields(self, *fields: Any) -> None:
        [noted] = self._run(NOTE, [NOTE.call([RETAG_KEY], self._holder, *fields)])
        if noted != 1:
            found = self._exchange.ask([("HMGET", RETAG_KEY, "holder")])[0]
            if found == [None]:
                msg = (
                    f"the store at {self.address} has lost the re-tag that runs: it was emptied. Run `hangtag rebuild`"
                )
            else:
                msg = "another `hangtag retag` has begun meanwhile; let that one end"
            raise StoreMismatchError(msg)

    def _write_call(self, entry: Entry, more_keys: Sequence[str] = (), *more: Any) -> Command:
        strict = "0" if self.creates or entry.product_id in self._confirmed else "1"
        keys = [former_key(entry.product_id, self._settings.buckets)] if self.run_id else []
        return super()._write_call(entry, [*more_keys, *keys], *more, strict, bytes.fromhex(self.run_id))


def _former(product_id: str | None, value: bytes | None) -> Former | None:
    if product_id is None or value is None:
        return None
    entry = unpack_entry(product_id, value[RUN_ID_BYTES:])
    return None if entry is None else Former(value[:RUN_ID_BYTES].hex(), entry)
