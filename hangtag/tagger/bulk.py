"""Tagging many texts in their order, as fast as the engine allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, Generic, TypeVar

from hangtag.settings import WorkerSettings
from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.planner import Waiting, plan
from hangtag.tagger.probe import probe, probe_tokenizer
from hangtag.tagger.stage_thread import StageThread
from hangtag.tags.tagset import ScoredTag, TagSet
from hangtag.tags.vector import Vector
from hangtag.text.kind import TextKind

if TYPE_CHECKING:
    # Importing it brings the engine's runtime; callers have a tagger already.
    from hangtag.tagger.tagger import Tagger
    from hangtag.text.product_text import ProductText
    from hangtag.text.tokens import Tokens

T = TypeVar("T")

# Texts that are tokenised in one call.
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text's tags; `candidates` are the most likely tags of each facet, and `vector` is kept, if asked for."""

    tags: TagSet
    candidates: tuple[ScoredTag, ...] = ()
    vector: Vector | None = None


NOTHING = Tagged(TagSet((), ()))


class _Text(Generic[T]):
    """A text on its way: first `tokens` is set, then `result`. `number` is its place in the order."""

    __slots__ = ("item", "number", "result", "text", "tokens")

    def __init__(self, number: int, item: T, text: ProductText) -> None:
        self.number, self.item, self.text = number, item, text
        self.tokens: Tokens | None = None
        self.result: Tagged | Failure | None = NOTHING if text.is_empty else None


class BulkTagger:
    """Tags texts as the worker does: tokenised on one thread while batches run on another, planned by `plan`.

    `limits` are the worker's: the token budget of a batch, and the window, which is the number of texts that are read
    ahead of the one whose tags are returned next. With `candidates`, that many of each facet are returned too; with
    `keeps_vectors`, the vectors of products.
    """

    def __init__(
        self,
        tagger: Tagger,
        limits: WorkerSettings | None = None,
        kind: TextKind = TextKind.PRODUCT,
        candidates: int = 0,
        *,
        keeps_vectors: bool = False,
    ) -> None:
        self._tagger = tagger
        self._limits = limits or WorkerSettings()
        self._kind = kind
        self._candidates = candidates
        self._keeps_vectors = keeps_vectors

    def __call__(self, items: Iterable[tuple[T, ProductText]]) -> Generator[tuple[T, Tagged | Failure], None, None]:
        """Each item with the tags of its text, in order; without tags if the text is empty.

        A text that the tokenizer or the engine cannot handle gets a `Failure` and makes no other text fail. Close the
        generator if it is not read to its end: that waits for the batch that runs.

        Raises:
            FaultError: the engine fails for any text, or memory, disk or device do.
        """
        at_once = self._tagger.engine.cost.at_once
        encoder, runner = StageThread("encode", at_once), StageThread("forward", at_once)
        run: _Run[T] = _Run(self, self._limits, encoder, runner, at_once + 1)
        try:
            yield from run.results(iter(items))
        finally:
            run.cancel()
            # A process must not end while the engine runs.
            encoder.shutdown()
            runner.shutdown()

    def encode(self, texts: Sequence[_Text[T]]) -> list[_Text[T]]:
        """Tokenise texts; returns those that the tokenizer can handle."""
        found = isolate(self._encoded, [each.text for each in texts], partial(probe_tokenizer, self._tagger))
        for text, tokens in zip(texts, found, strict=True):
            if isinstance(tokens, Failure):
                text.result = tokens
            else:
                text.tokens = tokens
        return [text for text in texts if text.tokens is not None]

    def _encoded(self, texts: Sequence[ProductText]) -> list[Tokens]:
        return self._tagger.encode(texts, [self._kind] * len(texts))

    def forward(self, texts: Sequence[_Text[T]]) -> None:
        """Run a batch of tokenised texts, each text once, and decode it."""
        alike: dict[ProductText, list[_Text[T]]] = {}
        for text in texts:
            alike.setdefault(text.text, []).append(text)
        tokens = [group[0].tokens for group in alike.values() if group[0].tokens is not None]
        found = isolate(self._tags_of, tokens, partial(probe, self._tagger))
        for group, result in zip(alike.values(), found, strict=True):
            for text in group:
                text.result = result

    def plan(self, waiting: Sequence[_Text[T]], *, busy: bool) -> tuple[int, ...]:
        """The places of the texts to run now; none if they should wait for more."""
        # The order of reading stands for time: the planner needs to know only which text is the oldest.
        now = float(waiting[-1].number)
        return plan(
            [Waiting(len(text.tokens or ()), float(text.number)) for text in waiting],
            self._limits.token_budget,
            now,
            cost=self._tagger.engine.cost,
            busy=busy,
            max_wait_s=float("inf"),
            window=self._limits.window,
        ).batch

    def _tags_of(self, tokens: Sequence[Tokens]) -> list[Tagged]:
        tagger = self._tagger
        scores = tagger.forward(tokens, with_means=True) if self._keeps_vectors else tagger.forward(tokens)
        tags = tagger.decode(scores, [self._kind] * len(scores))
        vectors = tagger.vectors.keep(scores) if self._keeps_vectors else repeat(None, len(tags))
        if not self._candidates:
            return [Tagged(each, (), vector) for each, vector in zip(tags, vectors, strict=True)]
        found = tagger.candidates(scores, tags, self._candidates, self._kind)
        return [Tagged(*each) for each in zip(tags, found, vectors, strict=True)]


class _Run(Generic[T]):
    """One pass over the items. Only the stages run on other threads."""

    def __init__(
        self, bulk: BulkTagger, limits: WorkerSettings, encoder: StageThread, runner: StageThread, ahead: int
    ) -> None:
        self._bulk, self._window, self._encoder, self._runner = bulk, limits.window, encoder, runner
        self._ahead = ahead  # batches, and likewise chunks, that run or are ready to follow
        self._texts: deque[_Text[T]] = deque()  # all that are not returned yet, in order
        self._encoding: deque[Future[list[_Text[T]]]] = deque()
        self._waiting: list[_Text[T]] = []
        self._running: deque[Future[None]] = deque()
        self._read = 0
        self._is_read = False

    def results(self, items: Iterator[tuple[T, ProductText]]) -> Iterator[tuple[T, Tagged | Failure]]:
        while True:
            self._read_ahead(items)
            self._start_batches()
            if self._encoding and len(self._running) < self._ahead:
                self._waiting += self._encoding.popleft().result()
            elif self._running:
                self._running.popleft().result()
            elif self._is_read and not self._waiting:
                yield from self._finished()
                return
            yield from self._finished()

    def cancel(self) -> None:
        for chunk in self._encoding:
            chunk.cancel()
        for batch in self._running:
            batch.cancel()

    def _read_ahead(self, items: Iterator[tuple[T, ProductText]]) -> None:
        while not self._is_read and len(self._encoding) < self._ahead and len(self._texts) < self._window:
            chunk = [_Text(self._read + at, *each) for at, each in enumerate(islice(items, _CHUNK))]
            self._read += len(chunk)
            self._is_read = not chunk
            self._texts.extend(chunk)
            if todo := [text for text in chunk if text.result is None]:
                self._encoding.append(self._encoder.submit(self._bulk.encode, todo))

    def _start_batches(self) -> None:
        while self._waiting and len(self._running) < self._ahead:
            has_more = bool(self._encoding) or not self._is_read
            places = set(self._bulk.plan(self._waiting, busy=bool(self._running) and has_more))
            if not places:
                return
            batch = [text for place, text in enumerate(self._waiting) if place in places]
            self._waiting = [text for place, text in enumerate(self._waiting) if place not in places]
            self._running.append(self._runner.submit(self._bulk.forward, batch))

    def _finished(self) -> Iterator[tuple[T, Tagged | Failure]]:
        while self._texts and self._texts[0].result is not None:
            text = self._texts.popleft()
            assert text.result is not None
            yield text.item, text.result
