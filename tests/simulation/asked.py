"""What clients asked, and whether what they are told is true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hangtag.models import Pointer
from hangtag.records import decode_tags
from hangtag.server.change import Change
from hangtag.server.errors import CallError, Reason
from hangtag.server.lookups import Answer
from hangtag.settings import ServerSettings
from hangtag.store import Entry
from hangtag.v1 import tags_pb2
from tests.simulation.hub import START_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

_WITH_TAGS = (tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE)
_AWAY = tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE
_REFUSED = tags_pb2.FRESHNESS_REASON_VERSION_REFUSED
# Times in replies are whole milliseconds.
_ROUNDED_S = 0.001
_EXACT_S = 1e-6


class _Question(NamedTuple):
    """What was asked of one product, and what was known then; `waits_s`: for how long the caller would wait."""

    product: str
    version: int
    began_s: float
    epoch: int
    held: Entry | None
    known: int
    told: int
    waits_s: float
    pointer: Pointer | None


class Asked:
    """Checks replies, and ends the simulation with the first that is wrong.

    What was known before the store lost data is not asked for until it is told again.
    """

    def __init__(self, world: World, settings: ServerSettings) -> None:
        self._world = world
        self._ttl_s = settings.cache_ttl_ms / 1_000
        self._stale_s = settings.cache_stale_s
        self._newest: dict[str, int] = {}  # that a reply had which was read from the store
        self._told: dict[str, int] = {}  # that the follower has told the cache

    def forget(self) -> None:
        """The store has lost data."""
        self._newest.clear()
        self._told.clear()
        self._world.rules.forget()

    def told(self, changes: Sequence[Change]) -> None:
        """The cache was told of these. A store that has lost data may be behind them until it is rebuilt."""
        for change in () if self._world.losses else changes:
            self._told[change.product_id] = max(change.version, self._told.get(change.product_id, 0))

    def single(self, product: str, version: int, until_s: float) -> Callable[[Answer], None]:
        """What checks the reply to a look-up of one product."""
        question = self._question(product, version, until_s)

        def reply(answer: Answer) -> None:
            if isinstance(answer, bytes):
                self._check(question, tags_pb2.GetProductTagsResponse.FromString(answer))
            elif answer.reason in (Reason.PRODUCT_UNKNOWN, Reason.PRODUCT_REFUSED):
                self._check_nothing(question)
                self._check_wait(question, is_refused=answer.reason is Reason.PRODUCT_REFUSED)
            else:
                self._check_error(answer)

        return reply

    def batch(self, products: Sequence[str], versions: Sequence[int]) -> Callable[[Answer], None]:
        """What checks the reply to a look-up of several products."""
        questions = [self._question(product, version) for product, version in zip(products, versions, strict=True)]

        def reply(answer: Answer) -> None:
            if isinstance(answer, CallError):
                self._check_error(answer)
                return
            found = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
            for question, one in zip(questions, found, strict=True):
                self._check(question, one)

        return reply

    def _question(self, product: str, version: int, waits_s: float = 0.0) -> _Question:
        return _Question(
            product,
            version,
            self._world.hub.now,
            self._world.losses,
            self._world.rules.held(product),
            self._newest.get(product, 0),
            self._told.get(product, 0),
            waits_s,
            self._world.lookups.known,
        )

    def _fail(self, message: str) -> None:
        self._world.hub.fail(f"invariant 2: {message}")

    def _check_error(self, error: CallError) -> None:
        if error.reason is not Reason.STORE_UNAVAILABLE:
            self._fail(f"a look-up ends with {error.reason}")

    def _check(self, question: _Question, reply: Any) -> None:
        self._check_time(question, reply)
        has_tags, is_degraded = reply.freshness in _WITH_TAGS, reply.freshness_reason == _AWAY
        if has_tags:
            self._check_release(question, reply)
        if question.epoch != self._world.losses:
            return
        if reply.freshness == tags_pb2.FRESHNESS_FRESH:
            self._check_fresh(question, reply)
        if is_degraded:
            return
        self._check_wait(question, version=reply.version, is_refused=reply.freshness_reason == _REFUSED)
        if has_tags:
            self._check_version(question, reply)
        else:
            self._check_nothing(question)

    def _check_release(self, question: _Question, reply: Any) -> None:
        """What the server knew to be blocked is not served, and tags of an older bundle are said to be that."""
        was, now = question.pointer, self._world.lookups.known
        found = decode_tags(reply.SerializeToString())
        # Tags may also be of releases that the server has not heard of yet.
        later = [each for each in self._world.releases.all if now is not None and each.sequence > now.sequence]
        blocked = set(was.blocked) & set(now.blocked) if was is not None and now is not None else set()
        blocked.intersection_update(*(each.blocked for each in later))
        self._world.rules.check_tags(question.product, found, blocked)
        if was is not None and was is now and found.bundle_version != now.bundle_version:
            told = reply.newer_bundle_version
            is_later = any(each.bundle_version == found.bundle_version for each in later)
            if told != now.bundle_version and not (not told and is_later):
                self._fail(f"{question.product} has tags of an older bundle, and the newer one is said to be {told!r}")

    def _check_time(self, question: _Question, reply: Any) -> None:
        """The time for which a reply holds, and whether it may be from memory."""
        as_of_s, now = _as_of_s(reply), self._world.hub.now
        is_degraded = reply.freshness_reason == _AWAY
        allowed_s = 0.0 if question.version else self._ttl_s
        oldest_s = now - self._stale_s if is_degraded else question.began_s - allowed_s
        if not oldest_s - _ROUNDED_S <= as_of_s <= now + _EXACT_S:
            self._fail(f"the reply about {question.product} at {now} holds for {as_of_s}; the earliest is {oldest_s}")
        if is_degraded and (question.version or reply.freshness == tags_pb2.FRESHNESS_FRESH):
            self._fail(f"{question.product} is answered from memory, for version {question.version}")

    def _check_fresh(self, question: _Question, reply: Any) -> None:
        known = max(question.version, self._world.rules.known_before(question.product, _as_of_s(reply)))
        if reply.version < known:
            self._fail(f"{question.product} {reply.version} is FRESH at {_as_of_s(reply)}, {known} was known")

    def _check_version(self, question: _Question, reply: Any) -> None:
        """No reply from the store is older than what was stored, or told, before it was asked."""
        product = question.product
        before = max(question.told, self._world.rules.stored_before(product, _as_of_s(reply)))
        if self._asks(question):
            before = max(before, 0 if question.held is None else question.held.version, question.known)
            self._newest[product] = max(self._newest.get(product, 0), reply.version)
        if reply.version < before:
            self._fail(f"a look-up of {product} returns version {reply.version} after {before}")

    def _asks(self, question: _Question) -> bool:
        """Whether this question is never answered from the cache while the store answers."""
        return not self._ttl_s or bool(question.version)

    def _check_nothing(self, question: _Question) -> None:
        """There are no tags of the product."""
        held = question.held
        if question.epoch != self._world.losses or held is None or held.is_deletion or not self._asks(question):
            return
        if not self._world.rules.may_be_deleted_since(question.product, held.version):
            self._fail(f"a look-up of {question.product} finds nothing; version {held.version} was stored")

    def _check_wait(self, question: _Question, version: int = 0, *, is_refused: bool = False) -> None:
        """A caller that waits is not answered before the time without what it waits for."""
        if not question.waits_s or is_refused or version >= question.version:
            return
        is_early = self._world.hub.now < question.began_s + question.waits_s
        if is_early and not self._world.rules.may_be_deleted_since(question.product, question.version):
            self._fail(f"{question.product} is returned in version {version} before {question.version} was there")


def _as_of_s(reply: Any) -> float:
    """In simulated time."""
    return float(reply.as_of.ToMilliseconds() - START_MS) / 1_000
