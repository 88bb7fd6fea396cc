"""Tags texts on request. Texts that wait at the same time are tagged in one batch, as soon as the engine is free."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.server.suggestion import Asked, Key, Suggestion
from hangtag.server.suggestion_cache import SuggestionCache
from hangtag.server.text_batch import TextBatch
from hangtag.server.text_job import Caller, UntaggableError
from hangtag.server.text_queue import TextQueue
from hangtag.settings import ServerSettings
from hangtag.tagger.isolate import Failure
from hangtag.tagger.stage_thread import StageThread
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock

if TYPE_CHECKING:
    # Importing it loads the engine's runtime; the server is passed one.
    from hangtag.tagger.in_use import TaggerInUse

HEARTBEAT = "suggestions"
SHORT_HEARTBEAT = "suggestions of short texts"
# Which texts a thread tags: `is_short`, None for all.
_ONE_LANE: tuple[tuple[bool | None, str], ...] = ((None, HEARTBEAT),)
_TWO_LANES = ((True, SHORT_HEARTBEAT), (False, HEARTBEAT))

_FROM_CACHE, _FROM_OTHER, _FROM_MODEL = (
    metrics.SUGGESTED_TEXTS.labels(source) for source in ("cache", "same_text", "model")
)

_log = get_log(__name__)


class _Lane:
    """A thread that tags texts, all or only short ones or only longer ones, one batch at a time."""

    def __init__(self, batch: TextBatch, beat: str, *, is_short: bool | None) -> None:
        self.is_short = is_short
        self.batch = batch
        self.beat = beat
        self.thread = StageThread("suggester-short" if is_short else "suggester")
        self.has_work = asyncio.Event()


class Suggester:
    """Tags texts on a thread of its own, one batch at a time. `run` must be running. Not for several threads.

    With `short_lane`, for an engine that has one too, short texts have a second thread, so that none waits until a
    longer one, which cannot be interrupted, is done. On each thread texts that are asked for alone go before those of
    batches, and shorter ones before longer ones, until
    a text has waited for `PATIENCE_S`. The same text is tagged once for all who wait for it, and then kept in a cache.
    """

    def __init__(
        self,
        in_use: "TaggerInUse",
        settings: ServerSettings,
        clock: Clock,
        beats: Heartbeats,
        *,
        short_lane: bool = False,
    ) -> None:
        self._in_use = in_use
        self._clock = clock
        self._beats = beats
        self._cache = SuggestionCache(settings.suggest_cache_entries)
        self._queue = TextQueue(settings.suggest_queue_tokens, in_use.current.tagger.bundle.tokenizer.max_tokens)
        self._lanes = tuple(
            _Lane(TextBatch(in_use, settings.suggest_token_budget, clock), beat, is_short=is_short)
            for is_short, beat in (_TWO_LANES if short_lane else _ONE_LANE)
        )
        self._is_down = False

    async def suggest(
        self, texts: Sequence[Asked], *, is_single: bool = True, deadline_s: float = math.inf
    ) -> list[Suggestion]:
        """The suggestions of the texts, in order. If the caller is cancelled, they are not tagged.

        `deadline_s` is a time of the clock.

        Raises:
            RefusedError: too many texts are waiting, or more than can be tagged before the deadline.
            CallError: INTERNAL (a text cannot be tagged) or UNAVAILABLE (no text can be tagged, and the server is
                about to stop).
        """
        keys = [asked.key() for asked in texts]
        while True:
            release = self._in_use.current.answers
            found = await self._suggest(keys, texts, is_single, deadline_s)
            releases = {each.release for each in found}
            # Else another release came into use meanwhile, and what an earlier one has tagged is asked for again.
            if len(releases) <= 1 and releases <= {release, self._in_use.current.answers}:
                return found

    async def _suggest(
        self, keys: Sequence[Key], texts: Sequence[Asked], is_single: bool, deadline_s: float
    ) -> list[Suggestion]:
        release = self._in_use.current.answers
        found: dict[Key, Suggestion] = {}
        wanted: dict[Key, Asked] = {}
        for key, asked in zip(keys, texts, strict=True):
            if key not in found and key not in wanted:
                kept = self._cache.get(key, release)
                if kept is None:
                    wanted[key] = asked
                else:
                    found[key] = kept
        tagged = sum(key not in self._queue for key in wanted)
        if wanted:
            try:
                found |= await self._tagged(wanted, is_single, deadline_s)
            except UntaggableError as error:
                text = "this text" if is_single else f"texts[{keys.index(error.key)}]"
                message = f"{text} cannot be tagged; the error is in the server's log"
                raise CallError(Reason.TEXT_NOT_TAGGED, message) from error
        cached = sum(key not in wanted for key in keys)
        _FROM_CACHE.inc(cached)
        _FROM_MODEL.inc(tagged)
        _FROM_OTHER.inc(len(keys) - cached - tagged)
        return [found[key] for key in keys]

    async def _tagged(self, texts: Mapping[Key, Asked], is_single: bool, deadline_s: float) -> Mapping[Key, Suggestion]:
        if self._is_down:
            raise _down()
        caller = Caller(tuple(texts), asyncio.get_running_loop().create_future())
        now = self._clock.monotonic()
        self._queue.add(
            texts, caller, now, is_single=is_single, tokens_per_s=self._tokens_per_s(), deadline_s=deadline_s
        )
        for lane in self._lanes:
            lane.has_work.set()
        try:
            return await caller.done
        finally:
            # Now, not with the next batch: the running one may take long, or may never end.
            self._queue.leave(caller)

    async def run(self) -> None:
        """Tag waiting texts until cancelled.

        Raises:
            FaultError: the engine fails on a harmless text too, or memory, disk or device do. Later calls are refused.
        """
        self._beats.idle(SHORT_HEARTBEAT)  # there may be no such thread
        tasks = [asyncio.create_task(self._run(lane)) for lane in self._lanes]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _run(self, lane: _Lane) -> None:
        loop = asyncio.get_running_loop()
        while True:
            turn = self._queue.turn(self._clock.monotonic(), is_short=lane.is_short)
            if not turn.jobs:
                self._beats.idle(lane.beat)
                lane.has_work.clear()
                await lane.has_work.wait()
                continue
            self._beats.busy(lane.beat)
            try:
                finished = await loop.run_in_executor(lane.thread, lane.batch.run, turn)
            except Exception:
                self._is_down = True
                self._queue.fail_all(_down)
                raise
            self._beats.beat(lane.beat)
            for job, result in finished:
                if isinstance(result, Failure):
                    _log.error("a text cannot be tagged", error=place_of(result.error), stack=stack_of(result.error))
                else:
                    self._cache.put(job.key, result)
                self._queue.finish(job.key, result)
            # Replies first: beside the next batch they would have to wait for Python again and again.
            await asyncio.sleep(0)

    def _tokens_per_s(self) -> float | None:
        """What the slower thread tags, which both share the processor with; None as long as nothing is known."""
        return min((rate for lane in self._lanes if (rate := lane.batch.pace.tokens_per_s) is not None), default=None)

    def close(self) -> None:
        """Release the threads. Running batches are not waited for."""
        for lane in self._lanes:
            lane.thread.shutdown(wait=False)


def _down() -> CallError:
    return CallError(
        Reason.MODEL_UNAVAILABLE, "this server cannot tag texts and is about to stop; retry on another one"
    )
