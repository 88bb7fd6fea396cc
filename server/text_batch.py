"""Tags one batch of the waiting texts."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from hangtag.server.pace import Pace
from hangtag.server.suggestion import Asked, Suggestion
from hangtag.server.text_job import Encoded, Job
from hangtag.server.text_queue import Turn
from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.planner import Waiting, plan
from hangtag.tagger.probe import probe
from hangtag.tagger.suggested import Suggested
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock
from hangtag.text.kind import TextKind
from hangtag.text.product_text import LeftOut
from hangtag.text.tokens import Tokens

if TYPE_CHECKING:
    # Importing it loads the engine's runtime; the server is passed one.
    from hangtag.tagger.in_use import TaggerInUse
    from hangtag.tagger.release import Release
    from hangtag.tagger.tagger import Tagger

# Characters that are tokenised at a time: more than a batch of short texts has, few enough that a short text does not
# wait for several long ones.
_ENCODE_CHARS = 1_024
# A text that comes just after a batch has begun waits for that long at most, unless the batch is one long text, and
# then for its own batch.
_TARGET_S = 0.008
# Of texts that are longer than this a batch takes half of that time: short ones may overtake them.
_SHORT_TOKENS = 32

T = TypeVar("T")
R = TypeVar("R")
Finished = list[tuple[Job, Suggestion | Failure]]


class TextBatch:
    """Tags one batch at a time, of at most `token_budget` tokens, and of as few as are tagged in some 8 ms.

    Of long texts it is 4 ms, or one text.

    A batch has one release: the one that is in use when it begins. None is held in between, so that it can be freed.
    """

    _release: "Release"
    _tagger: "Tagger"

    def __init__(self, in_use: "TaggerInUse", token_budget: int, clock: Clock) -> None:
        self._in_use = in_use
        self._clock = clock
        self.pace = Pace(token_budget, _TARGET_S)

    def run(self, turn: Turn) -> Finished:
        """Encode some of the texts, or tag as many as fit, or both if they are short; returns the texts that are done.

        A long text takes about as long to encode as to tag. So it is one or the other, for a short text to come next.

        Raises:
            FaultError: the engine fails on a harmless text too, or memory, disk or device do.
        """
        self._release = self._in_use.current
        self._tagger = self._release.tagger
        try:
            return self._run(turn)
        finally:
            del self._release, self._tagger

    def _run(self, turn: Turn) -> Finished:
        for job in turn.jobs:
            if job.encoded is not None and job.encoded.bundle_version != self._release.bundle_version:
                job.encoded = None  # tokens of another bundle
        fresh = _next_to_encode(turn)
        is_long = sum(job.chars for job in fresh) > _ENCODE_CHARS
        if is_long and self._has_a_batch(turn):
            return self._tagged(self._planned(turn))
        finished: Finished = []
        for job, encoded in zip(fresh, self._isolated(self._encode, [job.asked for job in fresh]), strict=True):
            if isinstance(encoded, Failure):
                finished.append((job, encoded))
            else:
                job.encoded = encoded
        if is_long:
            return finished
        batch = self._planned(turn)
        if batch:
            finished += self._tagged(batch)
        return finished

    def _tagged(self, batch: Sequence[tuple[Job, Encoded]]) -> Finished:
        cost = self._tagger.engine.cost.of_batch([len(encoded.tokens) for _, encoded in batch])
        metrics.BATCH_TOKENS.observe(cost)
        release = self._release
        started = self._clock.monotonic()
        results = self._isolated(self._tag, [(encoded.tokens, job.asked.kind) for job, encoded in batch])
        self.pace.ran(cost, self._clock.monotonic() - started)
        return [
            (
                job,
                found
                if isinstance(found, Failure)
                else Suggestion(found, encoded.left_out, release.bundle_version, release.answers),
            )
            for (job, encoded), found in zip(batch, results, strict=True)
        ]

    def _isolated(self, run: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R | Failure]:
        return isolate(run, items, partial(probe, self._tagger))

    def _has_a_batch(self, turn: Turn) -> bool:
        lengths = [len(job.encoded.tokens) for job in turn.jobs if job.encoded is not None]
        return bool(lengths) and self._tagger.engine.cost.of_batch(lengths) >= self._most_tokens(lengths)

    def _most_tokens(self, lengths: Sequence[int]) -> int:
        """The limit of a batch of some of these texts."""
        return self.pace.tokens if min(lengths) <= _SHORT_TOKENS else self.pace.tokens // 2

    def _planned(self, turn: Turn) -> list[tuple[Job, Encoded]]:
        ready = [(job, job.encoded) for job in turn.jobs if job.encoded is not None]
        if not ready:
            return []
        chosen = plan(
            [Waiting(len(encoded.tokens), job.arrived_s) for job, encoded in ready],
            self._most_tokens([len(encoded.tokens) for _, encoded in ready]),
            self._clock.monotonic(),
            cost=self._tagger.engine.cost,
            busy=False,  # the engine runs on this thread
            max_wait_s=0,
            window=len(ready),
            patience_s=0 if turn.is_by_age else math.inf,
        )
        return [ready[place] for place in chosen.batch]

    def _encode(self, some: Sequence[Asked]) -> list[Encoded]:
        with _Stage("encode", self._clock):
            encoded = self._tagger.encode_located([asked.text for asked in some], [asked.kind for asked in some])
            version = self._release.bundle_version
            return [
                Encoded(tokens, self._left_out(asked, tokens), version)
                for asked, tokens in zip(some, encoded, strict=True)
            ]

    def _left_out(self, asked: Asked, tokens: Tokens) -> LeftOut:
        """What the encoder does not read of the text as it was asked for."""
        if not tokens.is_cut:
            return LeftOut()
        if tokens.understood.text != asked.text:
            # Of a query that the model reads in other words.
            (tokens,) = self._tagger.bundle.tokenizer.located([asked.text])
        return LeftOut() if tokens.origins is None else tokens.origins.left_out

    def _tag(self, batch: Sequence[tuple[Tokens, TextKind]]) -> list[Suggested]:
        with _Stage("forward", self._clock):
            scores = self._tagger.forward([tokens for tokens, _ in batch], with_vectors=True)
        with _Stage("decode", self._clock):
            kinds = [kind for _, kind in batch]
            tags = self._tagger.decode(scores, kinds)
        with _Stage("explain", self._clock):
            return self._tagger.explain(scores, tags, kinds)


class _Stage:
    """Records how long a block takes."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._histogram = metrics.SUGGESTION_STAGE_SECONDS.labels(name)
        self._clock = clock

    def __enter__(self) -> None:
        self._started = self._clock.monotonic()

    def __exit__(self, *_: object) -> None:
        self._histogram.observe(self._clock.monotonic() - self._started)


def _next_to_encode(turn: Turn) -> list[Job]:
    """Those that are not encoded, the oldest or the shortest first, up to a number of characters; at least one."""
    fresh = (job for job in turn.jobs if job.encoded is None)
    by_need = sorted(fresh, key=lambda job: job.arrived_s if turn.is_by_age else job.chars)
    totals = accumulate(job.chars for job in by_need)
    return [job for job, total in zip(by_need, totals, strict=True) if total <= _ENCODE_CHARS] or by_need[:1]
