"""What both transports do with a call: admit it, have it answered, count it, and end it when the server stops."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from hangtag.server.access import ANYONE, Access, Client
from hangtag.server.admission import CALLS, DEADLINE, IDS, WAITS, Limit, RefusalLog, RefusedError
from hangtag.server.cached_reader import MAX_PRODUCTS
from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.server.lane import Lane
from hangtag.server.look_up import NO_DEADLINE, SMALL, LookUp, Parse, is_large, parsed
from hangtag.server.lookups import Answer, Lookups
from hangtag.server.tally import End, Tally, code_of_cancelled
from hangtag.server.waits import Found
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.clock import Clock

_SMALL_READS = 2
# One: with a second thread that wants Python as much, calls would wait to be taken off the wire.
_LARGE_READS = 1
# Look-ups that wait for a version. They do no work, so they do not count as calls.
MAX_WAITING = 1_000
_STOPPED = "the server stops"

# A look-up that arrives: how its request is parsed, the request, the transport's handle, its deadline, its client.
Arrived = tuple[Parse, bytes, Any, float, Client]

_log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """A method whose calls run on the event loop, one task each: its request and its handler.

    The handler gets the request and the call's deadline, a time of the monotonic clock. `count` is the number of texts
    in a request, which counts for the quota of its client.
    """

    name: str
    request: type[Message]
    handler: Callable[[Any, float], Awaitable[bytes]]
    count: Callable[[Any], int]


class Sink(Protocol):
    """Where answers go: a transport."""

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        """Send answers; any thread calls it. It passes them on to `Calls.answered` when they are sent."""
        ...


class Waiting(Protocol):
    """Where look-ups wait that ask for it: `Waits`."""

    def add(self, look_up: LookUp) -> None:
        """Take a look-up, and have it answered at last by `Calls.waited`."""
        ...


class Calls:
    """Runs calls up to the limits of calls and ids.

    Look-ups are answered in lists, by threads; other calls run on the event loop. Any thread may call, apart from
    `run`.
    """

    def __init__(
        self, clock: Clock, lookups: Lookups, max_concurrent: int, max_ids: int, access: Access | None = None
    ) -> None:
        self.clock = clock
        # A transport asks it for the client of a call, before it answers anything else.
        self.access = access or Access()
        self._lookups = lookups
        self._calls = Limit(max_concurrent, "calls", CALLS)
        self._max_ids = max_ids
        # Small look-ups are never refused because of large ones.
        self._small_ids = Limit(max_ids, "ids", IDS)
        self._large_ids = Limit(max_ids, "ids", IDS)
        self._waiting = Limit(MAX_WAITING, "look-ups that wait for a version", WAITS)
        self._small = Lane("look-ups", self._take, clock, threads=_SMALL_READS, most_ids=MAX_PRODUCTS)
        self._large = Lane("large-look-ups", self._take, clock, threads=_LARGE_READS, most_ids=MAX_PRODUCTS)
        self.lanes = (self._small, self._large)
        self._tally = Tally()
        self.refusals = RefusalLog()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_stopped = False
        self._sink: Sink | None = None
        self._waits: Waiting | None = None

    def open(self, sink: Sink, waits: Waiting) -> None:
        """Name what takes the answers, and the look-ups that wait for a version."""
        self._sink = sink
        self._waits = waits

    def start(self, sink: Sink, waits: Waiting, pace_s: float = 0.0) -> None:
        """Begin to answer look-ups; small ones collect for `pace_s` under load."""
        self.open(sink, waits)
        self._small.start(pace_s)
        self._large.start()
        metrics.CALLS_IN_FLIGHT.set_function(lambda: self._calls.amount)

    def close(self) -> None:
        """End the threads once nothing waits."""
        for lane in self.lanes:
            lane.close()

    @property
    def in_progress(self) -> int:
        """Calls that are admitted and not answered."""
        return self._calls.amount + self._waiting.amount

    def look_up(self, parse: Parse, raw: bytes, call: Any, deadline_s: float, client: Client = ANYONE) -> LookUp:
        """Admit a look-up, which `put` then has to get. `call` is the transport's own handle of it.

        Raises:
            CallError: it is refused.
        """
        look_up = self._begin(parse, raw, call, deadline_s, client, self.clock.monotonic())
        self._admit(look_up)
        return look_up

    def look_ups(self, arrived: Sequence[Arrived]) -> list[LookUp | CallError]:
        """Admit look-ups that arrive together; in the place of one that is refused its error.

        The same as `look_up` for each of them, but single ones are counted together where there is plenty of room.
        """
        now_s = self.clock.monotonic()
        found: list[LookUp | CallError] = []
        singles: dict[int, LookUp] = {}
        for place, each in enumerate(arrived):
            try:
                look_up = self._begin(*each, now_s)
                if look_up.is_single:
                    singles[place] = look_up
                else:
                    # At once: a large one that does not fit any more behind it is then refused without being parsed.
                    self._admit(look_up)
                found.append(look_up)
            except CallError as error:
                found.append(error)
        wait_s = self._small.wait_s()
        plain = sum(single.is_plain(now_s + wait_s) for single in singles.values())
        has_room = self._calls.reserve(plain)
        if has_room and not self._small_ids.reserve(plain):
            self._calls.remove(plain)
            has_room = False
        for place, single in singles.items():
            if not (has_room and single.is_plain(now_s + wait_s)):
                try:
                    self._admit(single)
                except CallError as error:
                    found[place] = error
        return found

    def put(self, look_ups: Sequence[LookUp]) -> None:
        """Have admitted look-ups answered."""
        small = [look_up for look_up in look_ups if not (look_up.wait_version or look_up.is_large)]
        if small:
            self._small.put(small)
        if len(small) == len(look_ups):
            return
        large = [look_up for look_up in look_ups if look_up.is_large]
        if large:
            self._large.put(large)
        for look_up in look_ups:
            if look_up.wait_version:
                assert self._waits is not None
                self._waits.add(look_up)

    def waited(self, look_ups: Sequence[LookUp], found: Sequence[Found]) -> None:
        """Answer look-ups that waited for a version, with what was found; None: the caller is gone."""
        gone = [look_up for look_up, each in zip(look_ups, found, strict=True) if each is None]
        self.answered(gone, [None] * len(gone))
        waited = [look_up for look_up, each in zip(look_ups, found, strict=True) if each is not None]
        answers = self._lookups.answer_found(waited, [each for each in found if each is not None])
        self._deliver(waited, answers)

    def answered(self, look_ups: Sequence[LookUp], answers: Sequence[Answer | None]) -> None:
        """Count look-ups that ended. None as an answer: its caller was gone."""
        now_s = self.clock.monotonic()
        ok, ends = grpc.StatusCode.OK, list[End]()
        small = large = waited = 0
        for look_up, answer in zip(look_ups, answers, strict=True):
            if look_up.client is not ANYONE:
                look_up.client.end()
            code = ok if isinstance(answer, bytes) else _code_of(look_up, answer, now_s)
            ends.append((look_up.method, code, look_up.arrived_s))
            if look_up.wait_version:
                waited += 1
            elif look_up.is_large:
                large += len(look_up.ids)
            else:
                small += len(look_up.ids)
        self._calls.remove(len(look_ups) - waited)
        self._waiting.remove(waited)
        self._small_ids.remove(small)
        self._large_ids.remove(large)
        self._tally.add_all(ends, now_s)

    def refused(self, method: str, error: CallError, seconds: float = 0.0) -> None:
        """Count a call that was not admitted, or could not be answered."""
        if isinstance(error, RefusedError):
            self.refusals.count(method, error.refusal)
        self._tally.add(method, error.code, seconds)

    def gone(self, method: str, deadline_s: float) -> None:
        """Count a call whose caller left before it was admitted."""
        self._tally.add(method, code_of_cancelled(deadline_s, self.clock.monotonic()), 0.0)

    async def run(self, method: Method, raw: bytes, deadline_s: float, client: Client = ANYONE) -> bytes:
        """The reply of a call that is no look-up.

        Raises:
            CallError: its end, which is counted.
        """
        started_s = self.clock.monotonic()
        try:
            reply = await self._run(method, raw, deadline_s, client)
        except CallError as error:
            self.refused(method.name, error, self.clock.monotonic() - started_s)
            # Its frames hold the parsed request, which may take 44 times its bytes, until the client has the error.
            raise error.with_traceback(None)  # noqa: B904 (it is the same error)
        except asyncio.CancelledError:
            now_s = self.clock.monotonic()
            self._tally.add(method.name, code_of_cancelled(deadline_s, now_s), now_s - started_s)
            raise
        self._tally.add(method.name, grpc.StatusCode.OK, self.clock.monotonic() - started_s)
        return reply

    def refuse_new(self) -> None:
        """End all calls that still arrive with UNAVAILABLE."""
        self._is_stopped = True

    def end_running(self) -> None:
        """End running calls, and all that still arrive, with UNAVAILABLE. On the event loop."""
        self._is_stopped = True
        for task in self._tasks:
            task.cancel(_STOPPED)
        for lane in self.lanes:
            while look_ups := lane.next():
                self._deliver(look_ups, [_stopped()] * len(look_ups))

    def _begin(self, parse: Parse, raw: bytes, call: Any, deadline_s: float, client: Client, now_s: float) -> LookUp:
        """The look-up of a request, which its client may make; not admitted yet."""
        if self._is_stopped:
            raise _stopped()
        if self._large_ids.amount + SMALL >= self._max_ids and is_large(raw):
            # It would not fit. To know that, its ids need not be checked.
            raise self._large_ids.refusal(self._large.wait_s())
        look_up = parse(raw)
        look_up.call = call
        look_up.client = client
        look_up.arrived_s = now_s
        look_up.deadline_s = deadline_s
        if client is not ANYONE:
            client.begin(len(look_up.ids))
        return look_up

    def _admit(self, look_up: LookUp) -> None:
        try:
            self._count(look_up)
        except CallError:
            look_up.client.end()
            raise

    def _count(self, look_up: LookUp) -> None:
        left_s = look_up.deadline_s - look_up.arrived_s
        if look_up.wait_version:
            _check_deadline(left_s, 0)
            self._waiting.add(1)
            return
        lane, ids = (self._large, self._large_ids) if look_up.is_large else (self._small, self._small_ids)
        if look_up.deadline_s != NO_DEADLINE:
            _check_deadline(left_s, lane.wait_s())
        self._calls.add(1)
        try:
            ids.add(len(look_up.ids), lane.wait_s())
        except RefusedError:
            self._calls.remove(1)
            raise

    async def _run(self, method: Method, raw: bytes, deadline_s: float, client: Client) -> bytes:
        if self._is_stopped:
            raise _stopped()
        _check_deadline(deadline_s - self.clock.monotonic(), 0)
        task = asyncio.current_task()
        assert task is not None
        with self._calls.during(1):
            request = parsed(method.request, raw)
            client.begin(method.count(request))
            self._tasks.add(task)
            try:
                return await method.handler(request, deadline_s)
            except CallError:
                raise
            except asyncio.CancelledError as error:
                if error.args != (_STOPPED,):
                    raise
                task.uncancel()
                raise _stopped() from error
            except Exception as error:
                _log.error("a call failed", error=place_of(error), stack=stack_of(error))
                raise CallError(Reason.INTERNAL_ERROR, "an error in the server; its log shows where") from error
            finally:
                self._tasks.discard(task)
                client.end()

    def _take(self, look_ups: list[LookUp]) -> None:
        gone = [look_up for look_up in look_ups if look_up.is_cancelled]
        if gone:
            self.answered(gone, [None] * len(gone))
            look_ups = [look_up for look_up in look_ups if not look_up.is_cancelled]
        if look_ups:
            self._deliver(look_ups, self._lookups.answer(look_ups))

    def _deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        assert self._sink is not None
        self._sink.deliver(look_ups, answers)


def _code_of(look_up: LookUp, answer: CallError | None, now_s: float) -> grpc.StatusCode:
    """How a look-up ended that got no reply."""
    return answer.code if answer else code_of_cancelled(look_up.deadline_s, now_s)


def _check_deadline(left_s: float, wait_s: float) -> None:
    if left_s <= 0:
        raise CallError(Reason.DEADLINE_PASSED, "the deadline passed before the server read the call")
    if wait_s > left_s:
        message = (
            f"look-ups wait for {wait_s * 1_000:.0f} ms and the deadline is in {left_s * 1_000:.0f} ms; retry with "
            "back-off, or allow more time"
        )
        raise RefusedError(DEADLINE, message, wait_s)


def _stopped() -> CallError:
    return CallError(Reason.SERVER_STOPPING, "this server is stopping; retry on another one")
