"""Tags texts on request. Texts that wait at the same time are tagged in one batch, as soon as the engine is free."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from hangtag.server.admission import TEXTS, Limit
from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.planner import Waiting, plan
from hangtag.tagger.probe import probe
from hangtag.tagger.stage_thread import StageThread
from hangtag.tags.tagset import TagSet
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens

if TYPE_CHECKING:
    # Importing it loads the engine's runtime; the server is passed a tagger.
    from hangtag.tagger.tagger import Tagger

MAX_WAITING = 256
MAX_WAITING_TOKENS = 16_384
# From this age on a text is no longer overtaken by shorter ones.
PATIENCE_S = 0.25
# Characters that are tokenised before a batch: more than a batch of usual texts has, few enough that a short text does
# not wait for many long ones.
_ENCODE_CHARS = 8_192
_CHARS_PER_TOKEN = 3
HEARTBEAT = "suggestions"

_log = get_log(__name__)


class _Job:
    """A waiting text. `tokens` is set once it is encoded; `tags` yields the result to the caller."""

    __slots__ = ("arrived_s", "chars", "kind", "tags", "text", "tokens")

    def __init__(self, text: ProductText, kind: TextKind, tags: asyncio.Future[TagSet], arrived_s: float) -> None:
        self.text = text
        self.kind = kind
        self.tags = tags
        self.arrived_s = arrived_s
        self.chars = len(text.first) + len(text.second)
        self.tokens: Tokens | None = None


_Finished = list[tuple[_Job, TagSet | Failure]]


class Suggester:
    """Tags one batch at a time, of at most `token_budget` tokens, on its own thread. `run` must be running.

    Short texts go before long ones, until a text has waited for `PATIENCE_S`. A text counts against the limit of
    waiting texts until its caller is answered, and its estimated tokens against the limit of tokens.
    """

    def __init__(
        self,
        tagger: "Tagger",
        token_budget: int,
        clock: Clock,
        beats: Heartbeats,
        max_waiting_tokens: int = MAX_WAITING_TOKENS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._tagger = tagger
        self._token_budget = token_budget
        self._clock = clock
        self._beats = beats
        self._texts = Limit(max_waiting, "texts", TEXTS)
        self._tokens = Limit(max_waiting_tokens, "tokens of texts", TEXTS)
        self._waiting: deque[_Job] = deque()
        self._has_work = asyncio.Event()
        self._thread = StageThread("suggester")
        self._is_down = False

    @property
    def bundle_version(self) -> str:
        """Version of the bundle in use."""
        return self._tagger.bundle.version

    async def suggest(self, text: ProductText, kind: TextKind) -> TagSet:
        """The tags of a cleaned text that is not empty. If the caller is cancelled, the text is not tagged.

        Raises:
            RefusedError: too many texts are waiting.
            CallError: INTERNAL (this text cannot be tagged) or UNAVAILABLE (no text can be tagged, and the server is
                about to stop).
        """
        if self._is_down:
            raise _down()
        job = _Job(text, kind, asyncio.get_running_loop().create_future(), self._clock.monotonic())
        tokens = min(job.chars // _CHARS_PER_TOKEN + 1, self._tagger.engine.cost.max_length)
        with self._texts.during(1), self._tokens.during(tokens):
            return await self._tags_of(job)

    async def _tags_of(self, job: _Job) -> TagSet:
        self._waiting.append(job)
        self._has_work.set()
        try:
            return await job.tags
        finally:
            if job.tags.cancelled():
                # Now, not with the next batch: the running one may take long, or may never end.
                with suppress(ValueError):
                    self._waiting.remove(job)

    async def run(self) -> None:
        """Tag waiting texts until cancelled.

        Raises:
            FaultError: the engine fails on a harmless text too, or memory, disk or device do. Later calls are refused.
        """
        loop = asyncio.get_running_loop()
        while True:
            jobs = [job for job in self._waiting if not job.tags.done()]
            self._waiting.clear()
            if not jobs:
                self._beats.idle(HEARTBEAT)
                self._has_work.clear()
                await self._has_work.wait()
                continue
            self._beats.busy(HEARTBEAT)
            try:
                finished, left = await loop.run_in_executor(self._thread, self._batch, jobs)
            except Exception:
                self._refuse_all(jobs)
                raise
            self._beats.beat(HEARTBEAT)
            self._waiting.extendleft(reversed(left))
            for job, result in finished:
                _answer(job, result)

    def close(self) -> None:
        """Release the thread. A running batch is not waited for."""
        self._thread.shutdown(wait=False)

    def _refuse_all(self, jobs: Sequence[_Job]) -> None:
        self._is_down = True
        for job in (*jobs, *self._waiting):
            if not job.tags.done():
                job.tags.set_exception(_down())
        self._waiting.clear()

    def _batch(self, jobs: Sequence[_Job]) -> tuple[_Finished, list[_Job]]:
        """Encode some new texts and tag as many as fit the budget; returns results, and the remaining jobs in order."""
        finished: _Finished = []
        # The engine is free, since it runs on this thread.
        now = self._clock.monotonic()
        fresh = _next_to_encode([job for job in jobs if job.tokens is None], now)
        encoded = isolate(self._encode, [job.text for job in fresh], partial(probe, self._tagger))
        for job, tokens in zip(fresh, encoded, strict=True):
            if isinstance(tokens, Failure):
                finished.append((job, tokens))
            else:
                job.tokens = tokens
        ready = [(job, job.tokens) for job in jobs if job.tokens is not None]
        waiting = [Waiting(len(tokens), job.arrived_s) for job, tokens in ready]
        cost = self._tagger.engine.cost
        chosen = plan(
            waiting,
            self._token_budget,
            now,
            cost=cost,
            busy=False,
            max_wait_s=0,
            window=len(waiting),
            patience_s=PATIENCE_S,
        ).batch
        batch = [ready[place] for place in chosen]
        if batch:
            metrics.BATCH_TOKENS.observe(cost.of_batch([len(tokens) for _, tokens in batch]))
        tagged = isolate(self._tag, [(tokens, job.kind) for job, tokens in batch], partial(probe, self._tagger))
        finished.extend(zip((job for job, _ in batch), tagged, strict=True))
        done = {job for job, _ in finished}
        return finished, [job for job in jobs if job not in done]

    def _encode(self, texts: Sequence[ProductText]) -> list[Tokens]:
        with _Stage("encode", self._clock):
            return self._tagger.encode(texts)

    def _tag(self, batch: Sequence[tuple[Tokens, TextKind]]) -> list[TagSet]:
        with _Stage("forward", self._clock):
            logits = self._tagger.forward([tokens for tokens, _ in batch])
        with _Stage("decode", self._clock):
            return self._tagger.decode(logits, [kind for _, kind in batch])


class _Stage:
    """Records how long a block takes."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._histogram = metrics.SUGGESTION_STAGE_SECONDS.labels(name)
        self._clock = clock

    def __enter__(self) -> None:
        self._started = self._clock.monotonic()

    def __exit__(self, *_: object) -> None:
        self._histogram.observe(self._clock.monotonic() - self._started)


def _next_to_encode(jobs: Sequence[_Job], now: float) -> list[_Job]:
    """Those that are overdue, the oldest first, then the shortest, up to a number of characters; at least one."""
    overdue = sorted((job for job in jobs if now - job.arrived_s >= PATIENCE_S), key=lambda job: job.arrived_s)
    others = sorted((job for job in jobs if now - job.arrived_s < PATIENCE_S), key=lambda job: job.chars)
    by_need = [*overdue, *others]
    totals = accumulate(job.chars for job in by_need)
    return [job for job, total in zip(by_need, totals, strict=True) if total <= _ENCODE_CHARS] or by_need[:1]


def _answer(job: _Job, result: TagSet | Failure) -> None:
    if isinstance(result, Failure):
        _log.error("a text cannot be tagged", error=place_of(result.error), stack=stack_of(result.error))
    if job.tags.done():
        return
    if isinstance(result, Failure):
        job.tags.set_exception(
            CallError(Reason.TEXT_NOT_TAGGED, "this text cannot be tagged; the error is in the server's log")
        )
    else:
        job.tags.set_result(result)


def _down() -> CallError:
    return CallError(
        Reason.MODEL_UNAVAILABLE, "this server cannot tag texts and is about to stop; retry on another one"
    )
