"""Answers a list of look-ups with one read."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Protocol

from hangtag.server import wire
from hangtag.server.cached_reader import PartlyFoundError
from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.server.freshness import FRESH, WITH_TAGS, Verdict, freshness
from hangtag.server.look_up import LookUp
from hangtag.server.looked_up import LookedUp
from hangtag.server.narrow import narrow_stored
from hangtag.server.pointer_view import NOT_FOLLOWED, PointerView
from hangtag.server.popular import Popular
from hangtag.store import Seen, StoreError
from hangtag.telemetry import get_log, metrics
from hangtag.v1 import tags_pb2

_WAITING = tags_pb2.FRESHNESS_REASON_VERSION_WAITING
# Counters by state. Names without the prefix: UNKNOWN, not FRESHNESS_UNKNOWN.
_COUNTERS = {
    state: metrics.LOOKUPS.labels(tags_pb2.Freshness.Name(state).removeprefix("FRESHNESS_"))
    for state in tags_pb2.Freshness.values()
    if state != tags_pb2.FRESHNESS_UNSPECIFIED
}

Answer = bytes | CallError
# In how many ms the tags of a received version are expected; None: not known.
EtaOf = Callable[[Seen], int | None]

_log = get_log(__name__)


class Reader(Protocol):
    """What look-ups read: `CachedReader`, or a stand-in of the tests."""

    def read(self, ids: Sequence[str], min_versions: Sequence[int] = ()) -> list[LookedUp]:
        """What is stored of these products, in order. Errors: `StoreError`, `PartlyFoundError`."""
        ...


class Lookups:
    """Reads the products of look-ups and builds the replies. Any thread may call it.

    `popular` counts which products are looked up. `pointer` knows what is to be said of tags of an earlier release.
    """

    def __init__(
        self, reader: Reader, eta: EtaOf, popular: Popular | None = None, pointer: PointerView = NOT_FOLLOWED
    ) -> None:
        self._reader = reader
        self._eta = eta
        self._popular = popular or Popular()
        self._pointer = pointer

    def answer(self, look_ups: Sequence[LookUp]) -> list[Answer]:
        """The reply of each look-up, in order, or its error; never raises an `Exception`."""
        ids = [product for look_up in look_ups for product in look_up.ids]
        self._popular.count(ids)
        newest = list(chain.from_iterable(look_up.min_versions for look_up in look_ups))
        try:
            return self._answers(look_ups, self._reader.read(ids, newest), newest)
        except PartlyFoundError as error:
            return self.answer_found(look_ups, [error if each is None else each for each in error.found])
        except StoreError as error:
            return [_no_store(error)] * len(look_ups)
        except Exception as error:  # noqa: BLE001 (a thread that dies would leave calls without an answer)
            return [_failed(error)] * len(look_ups)

    def answer_found(self, look_ups: Sequence[LookUp], found: Sequence[LookedUp | StoreError]) -> list[Answer]:
        """As `answer`, from what was found of each product; a look-up one of whose products was not read fails."""
        answers: list[Answer] = []
        each = iter(found)
        for look_up in look_ups:
            part = list(islice(each, len(look_up.ids)))
            read = [one for one in part if isinstance(one, LookedUp)]
            try:
                if len(read) == len(part):
                    answers += self._answers([look_up], read, look_up.min_versions)
                else:
                    answers.append(_no_store(next(one for one in part if isinstance(one, StoreError))))
            except Exception as error:  # noqa: BLE001 (see `answer`)
                answers.append(_failed(error))
        return answers

    def _answers(self, look_ups: Sequence[LookUp], found: Sequence[LookedUp], newest: Sequence[int]) -> list[Answer]:
        verdicts = [
            freshness(each.stored, version, each.is_degraded) for each, version in zip(found, newest, strict=True)
        ]
        # Nearly all verdicts are the same one, which is quicker to count than states.
        fresh = verdicts.count(FRESH)
        if fresh:
            _COUNTERS[FRESH.state].inc(fresh)
        if fresh < len(verdicts):
            for state, count in Counter(verdict.state for verdict in verdicts if verdict is not FRESH).items():
                _COUNTERS[state].inc(count)
        answers: list[Answer] = []
        place = 0
        for look_up in look_ups:
            if look_up.is_single:
                answers.append(self._single(look_up, found[place], verdicts[place]))
                place += 1
            else:
                end = place + len(look_up.ids)
                answers.append(self._batch(look_up, found[place:end], verdicts[place:end]))
                place = end
        return answers

    def _single(self, look_up: LookUp, found: LookedUp, verdict: Verdict) -> Answer:
        if verdict.state == tags_pb2.FRESHNESS_UNKNOWN:
            return _not_found(look_up.ids[0], verdict)
        return self._part(look_up.utf8[0], found, verdict, look_up.tag_filter) + self._fields(found, verdict)

    def _batch(self, look_up: LookUp, found: Sequence[LookedUp], verdicts: Sequence[Verdict]) -> bytes:
        return wire.batch(
            (self._part(utf8, each, verdict, look_up.tag_filter), self._fields(each, verdict))
            for utf8, each, verdict in zip(look_up.utf8, found, verdicts, strict=True)
        )

    def _fields(self, found: LookedUp, verdict: Verdict) -> bytes:
        seen = found.stored.seen
        eta_ms = self._eta(seen) if verdict.reason == _WAITING and seen is not None else None
        newer = self._pointer.newer_than(found.stored) if verdict.state in WITH_TAGS else ""
        return wire.lookup_fields(verdict, found.as_of_ms, eta_ms, newer)

    def _part(self, utf8: bytes, found: LookedUp, verdict: Verdict, tag_filter: tags_pb2.TagFilter | None) -> bytes:
        if verdict.state not in WITH_TAGS:
            return wire.id_field(utf8)
        payload = self._pointer.served(found.stored)
        return payload if tag_filter is None else narrow_stored(payload, tag_filter)


def _not_found(product: str, verdict: Verdict) -> CallError:
    if verdict.reason == tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE:
        return _no_store(None)
    if verdict.reason == tags_pb2.FRESHNESS_REASON_VERSION_REFUSED:
        message = (
            f"version {verdict.known_version} of product {product!r} was received and refused, and no older one has "
            "tags; the shop has to correct the product and send it again"
        )
        return CallError(Reason.PRODUCT_REFUSED, message)
    message = f"product {product!r} was never received or is deleted; publish a product event for it"
    return CallError(Reason.PRODUCT_UNKNOWN, message)


def _no_store(error: StoreError | None) -> CallError:
    # For the operator only; StoreWatch logs it once.
    _log.debug("the store cannot be read", reason=str(error))
    message = "the tag store cannot be read; retry with back-off (the reason is in the server's log)"
    return CallError(Reason.STORE_UNAVAILABLE, message)


def _failed(error: Exception) -> CallError:
    _log.error("look-ups failed", error=place_of(error), stack=stack_of(error))
    return CallError(Reason.INTERNAL_ERROR, "an error in the server; its log shows where")
