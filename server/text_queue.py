"""Texts that wait for their tags: which may, and which are next."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hangtag.server.admission import DEADLINE, TEXTS, RefusedError
from hangtag.server.suggestion import Asked, Key, Suggestion
from hangtag.server.text_job import Caller, Job
from hangtag.tagger.isolate import Failure

# From this age on a text is no longer overtaken by all others: every second batch is for such texts.
PATIENCE_S = 0.25


class _Lane:
    """The waiting texts of one kind."""

    def __init__(self) -> None:
        self.fresh: list[Job] = []
        self.overdue: list[Job] = []

    def __bool__(self) -> bool:
        return bool(self.fresh or self.overdue)


class _Last:
    """What the last turn was for, so that the next one can be for others."""

    def __init__(self) -> None:
        self.was_single = False
        self.was_by_age = {True: False, False: False}


class Turn(NamedTuple):
    """The texts among which a batch is chosen. `is_by_age`: the oldest first, else the shortest."""

    jobs: list[Job]
    is_by_age: bool


class TextQueue:
    """The waiting texts, each once. Not for several threads.

    Texts that are asked for alone and texts of batches are counted apart, each up to `most_waiting` tokens, so that a
    batch never makes a single text be refused; more than that waits only if nothing else of its kind does.
    """

    def __init__(self, most_waiting: int, most_tokens: int) -> None:
        self._most_waiting = most_waiting
        self._most_tokens = most_tokens
        self._jobs: dict[Key, Job] = {}
        self._work = {True: 0, False: 0}
        self._last: dict[bool | None, _Last] = {which: _Last() for which in (None, True, False)}

    def __len__(self) -> int:
        """How many texts wait or are being tagged."""
        return len(self._jobs)

    def __contains__(self, key: Key) -> bool:
        """True if the text waits or is being tagged."""
        return key in self._jobs

    def add(
        self,
        texts: Mapping[Key, Asked],
        caller: Caller,
        now: float,
        *,
        is_single: bool,
        tokens_per_s: float | None = None,
        deadline_s: float = math.inf,
    ) -> None:
        """Let the caller wait for these texts.

        Raises:
            RefusedError: too many tokens wait, or the texts cannot be tagged before the deadline; nothing is added.
        """
        added = [Job(key, asked, now, is_single, self._most_tokens) for key, asked in texts.items() if key not in self]
        if added:
            self._check(added, is_single, now, tokens_per_s, deadline_s)
        for job in added:
            self._jobs[job.key] = job
            self._work[is_single] += job.work
        for key in texts:
            job = self._jobs[key]
            job.callers.add(caller)
            job.is_single = job.is_single or is_single

    def leave(self, caller: Caller) -> None:
        """The caller no longer waits. Texts that nobody else waits for are not tagged, unless they just are."""
        for key in caller.missing:
            job = self._jobs.get(key)
            if job is not None:
                job.callers.discard(caller)
                if not job.callers:
                    self._remove(job)

    def turn(self, now: float, *, is_short: bool | None = None) -> Turn:
        """The texts among which the next batch is chosen: all, only short ones, or only longer ones.

        Single texts go before those of batches, and in each of these two lanes short ones before long ones. If a batch
        has waited for `PATIENCE_S`, every second turn is for batches; if texts of a lane have, every second one of its
        turns is for them, by their age, and each one while the others are as long as texts can be. So none waits for
        ever, and none waits for all that came before it.
        """
        singles, others, last = _Lane(), _Lane(), self._last[is_short]
        for job in self._jobs.values():
            if is_short is not None and job.is_short is not is_short:
                continue
            lane = singles if job.is_single else others
            (lane.overdue if now - job.arrived_s >= PATIENCE_S else lane.fresh).append(job)
        last.was_single = bool(singles) and not (others.overdue and last.was_single)
        lane = singles if last.was_single else others
        # A short text that comes next then waits for one turn with long ones, not for two.
        overtaking = any(job.work < self._most_tokens for job in lane.fresh)
        is_by_age = bool(lane.overdue) and not (overtaking and last.was_by_age[last.was_single])
        last.was_by_age[last.was_single] = is_by_age
        return Turn(lane.overdue if is_by_age else lane.fresh, is_by_age)

    def finish(self, key: Key, result: Suggestion | Failure) -> None:
        """Give the result to whoever waits for this text."""
        job = self._jobs.get(key)
        if job is not None:
            self._remove(job)
            for caller in job.callers:
                caller.take(key, result)

    def fail_all(self, error: Callable[[], Exception]) -> None:
        """Everyone who waits gets an error."""
        for job in list(self._jobs.values()):
            self._remove(job)
            for caller in job.callers:
                if not caller.done.done():
                    caller.done.set_exception(error())

    def _check(
        self, added: Sequence[Job], is_single: bool, now: float, tokens_per_s: float | None, deadline_s: float
    ) -> None:
        work, waiting = sum(job.work for job in added), self._work[is_single]
        if waiting and waiting + work > self._most_waiting:
            message = f"{waiting} tokens of texts are in progress, the maximum is {self._most_waiting}"
            retry_after_s = None if tokens_per_s is None else waiting / tokens_per_s
            raise RefusedError(TEXTS, f"{message}; retry with back-off", retry_after_s)
        if tokens_per_s is None or deadline_s == math.inf:
            return
        ahead = self._ahead(2 * work) if is_single else sum(self._work.values())
        if now + (ahead + work) / tokens_per_s > deadline_s:
            message = f"{ahead} tokens of texts wait for the model, too many to tag these before the call's deadline"
            raise RefusedError(DEADLINE, f"{message}; retry with back-off, or allow more time", ahead / tokens_per_s)

    def _ahead(self, longest: int) -> int:
        """The tokens that go before a single text: those of other single ones that are not much longer."""
        return sum(job.work for job in self._jobs.values() if job.is_single and job.work <= longest)

    def _remove(self, job: Job) -> None:
        del self._jobs[job.key]
        self._work[job.came_single] -= job.work
