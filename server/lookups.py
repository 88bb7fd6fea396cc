"""Answers a list of look-ups with one read of the store."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Protocol

from hangtag.server import wire
from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.server.freshness import Verdict, freshness
from hangtag.server.look_up import LookUp
from hangtag.server.narrow import narrow_stored
from hangtag.server.popular import Popular
from hangtag.store import Found, Stored, StoreError
from hangtag.telemetry import get_log, metrics
from hangtag.v1 import tags_pb2

# Products of one read of the store: so many keep a core busy for some milliseconds.
MAX_PRODUCTS = 500

_WITH_TAGS = frozenset({tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE})
# Counters by state. Names without the prefix: UNKNOWN, not FRESHNESS_UNKNOWN.
_COUNTERS = {
    state: metrics.LOOKUPS.labels(tags_pb2.Freshness.Name(state).removeprefix("FRESHNESS_"))
    for state in tags_pb2.Freshness.values()
    if state != tags_pb2.FRESHNESS_UNSPECIFIED
}

Answer = bytes | CallError

_log = get_log(__name__)


class TagReader(Protocol):
    """The part of a store that look-ups need: `RedisTagReader`, or a stand-in of the tests and the simulator."""

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:
        """What is stored of these products, in order. Errors: `StoreError`."""
        ...


class Lookups:
    """Reads the products of look-ups, each product once, and builds the replies. Any thread may call it.

    `popular` counts which products are looked up.
    """

    def __init__(self, store: TagReader, popular: Popular | None = None) -> None:
        self._store = store
        self._popular = popular or Popular()

    def answer(self, look_ups: Sequence[LookUp]) -> list[Answer]:
        """The reply of each look-up, in order, or its error; never raises an `Exception`."""
        try:
            return self._answer(look_ups)
        except StoreError as error:
            # For the operator only; StoreWatch logs it once.
            _log.debug("the store cannot be read", reason=str(error))
            message = "the tag store cannot be read; retry with back-off (the reason is in the server's log)"
            return [CallError(Reason.STORE_UNAVAILABLE, message)] * len(look_ups)
        except Exception as error:  # noqa: BLE001 (a thread that dies would leave calls without an answer)
            _log.error("look-ups failed", error=place_of(error), stack=stack_of(error))
            message = "an error in the server; its log shows where"
            return [CallError(Reason.INTERNAL_ERROR, message)] * len(look_ups)

    def _answer(self, look_ups: Sequence[LookUp]) -> list[Answer]:
        ids = [product for look_up in look_ups for product in look_up.ids]
        self._popular.count(ids)
        stored, as_of_ms = self._read(ids)
        newest = chain.from_iterable(look_up.min_versions for look_up in look_ups)
        verdicts = list(map(freshness, stored, newest))
        for state, count in Counter(verdict.state for verdict in verdicts).items():
            _COUNTERS[state].inc(count)
        answers: list[Answer] = []
        place = 0
        for look_up in look_ups:
            if look_up.is_single:
                answers.append(_single(look_up, stored[place], verdicts[place], as_of_ms))
                place += 1
            else:
                end = place + len(look_up.ids)
                answers.append(_batch(look_up, stored[place:end], verdicts[place:end], as_of_ms))
                place = end
        return answers

    def _read(self, ids: Sequence[str]) -> tuple[Sequence[Stored], int]:
        """What is stored, in the order of `ids`, and the earliest time for which it holds."""
        unique: Sequence[str] = list(dict.fromkeys(ids))
        reads = []
        for begin in range(0, len(unique), MAX_PRODUCTS):
            some = unique[begin : begin + MAX_PRODUCTS]
            metrics.COALESCED_KEYS.observe(len(some))
            with metrics.STORE_SECONDS.time():
                reads.append(self._store.read(some))
        stored: Sequence[Stored] = list(chain.from_iterable(found.stored for found in reads))
        if len(unique) != len(ids):
            by_id = dict(zip(unique, stored, strict=True))
            stored = [by_id[product] for product in ids]
        return stored, min(found.as_of_ms for found in reads)


def _single(look_up: LookUp, stored: Stored, verdict: Verdict, as_of_ms: int) -> Answer:
    if verdict.state == tags_pb2.FRESHNESS_UNKNOWN:
        (product,) = look_up.ids
        message = f"product {product!r} was never received or is deleted; publish a product event for it"
        return CallError(Reason.PRODUCT_UNKNOWN, message)
    return _tags_or_id(look_up.utf8[0], stored, verdict, look_up.tag_filter) + wire.lookup_fields(verdict, as_of_ms)


def _batch(look_up: LookUp, stored: Sequence[Stored], verdicts: Sequence[Verdict], as_of_ms: int) -> bytes:
    return wire.batch(
        (_tags_or_id(utf8, each, verdict, look_up.tag_filter), wire.lookup_fields(verdict, as_of_ms))
        for utf8, each, verdict in zip(look_up.utf8, stored, verdicts, strict=True)
    )


def _tags_or_id(utf8: bytes, stored: Stored, verdict: Verdict, tag_filter: tags_pb2.TagFilter | None) -> bytes:
    if verdict.state not in _WITH_TAGS:
        return wire.id_field(utf8)
    return stored.payload if tag_filter is None else narrow_stored(stored.payload, tag_filter)
