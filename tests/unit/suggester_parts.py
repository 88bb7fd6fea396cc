"""A suggester whose tagger the test can block."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

import numpy as np

from hangtag.engine.cost import CostModel, Padding
from hangtag.server.suggester import HEARTBEAT, SHORT_HEARTBEAT, Suggester
from hangtag.server.suggestion import Asked, Suggestion
from hangtag.settings import ServerSettings
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.suggested import Suggested
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import Clock, SystemClock
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields, ProductText
from hangtag.text.tokens import Tokens

QUERY = TextKind.QUERY


class FakeTagger:
    """One token per word; the tag is the number of words. The word `bad` fails a batch. `forward` waits for `gate`."""

    def __init__(self) -> None:
        self.bundle = SimpleNamespace(version="ab" * 32, tokenizer=SimpleNamespace(max_tokens=512))
        self.engine = SimpleNamespace(cost=CostModel(Padding.NONE, 512))
        self.batches: list[list[int]] = []
        self.decoded: list[tuple[int, TextKind]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.active = 0
        self.most_active = 0

    def encode(self, texts: Sequence[ProductText], _kinds: Sequence[TextKind] = ()) -> list[Tokens]:
        if any("unreadable" in text.first for text in texts):
            raise ValueError
        rows = [
            [len(text.first.split()), *(-1 if word == "bad" else 1 for word in text.first.split())] for text in texts
        ]
        return [Tokens(np.array(row[1:], np.int32), np.zeros(len(row) - 1, np.int32)) for row in rows]

    def encode_located(self, texts: Sequence[ProductText], kinds: Sequence[TextKind]) -> list[Tokens]:
        return self.encode(texts, kinds)

    def forward(self, tokens: Sequence[Tokens], **_: bool) -> np.ndarray:
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        self.batches.append([len(each) for each in tokens])
        self.gate.wait(5)
        self.active -= 1
        if any((each.ids == -1).any() for each in tokens):
            raise RuntimeError
        return np.array([[len(each)] for each in tokens], np.float32)

    def decode(self, logits: np.ndarray, kinds: Sequence[TextKind]) -> list[TagSet]:
        self.decoded += [(int(n), kind) for (n,), kind in zip(logits, kinds, strict=True)]
        return [TagSet((ScoredTag(f"words:{int(n)}", 1.0, Source.MODEL, Band.AUTO),), ()) for (n,) in logits]

    def explain(self, _scores: np.ndarray, tags: Sequence[TagSet], _kinds: Sequence[TextKind]) -> list[Suggested]:
        return [Suggested(each) for each in tags]


def asked(text: str, kind: TextKind = QUERY) -> Asked:
    return Asked(CleanedFields(ProductText(text), len(text), 0, frozenset()), kind)


def words(count: int, kind: TextKind = QUERY, number: int = 0) -> Asked:
    """A text of so many words; those with another `number` are others."""
    return asked(" ".join([*["word"] * (count - 1), f"word{number:03}"]), kind)


async def suggest(suggester: Suggester, one: Asked, **more: object) -> Suggestion:
    (found,) = await suggester.suggest([one], **more)
    return found


def tag_of(found: Suggestion) -> str:
    return found.found.tags.tags[0].tag


def run(
    test: Callable[[Suggester, FakeTagger], Awaitable[None]],
    token_budget: int = 512,
    queue_tokens: int = 16_384,
    cache_entries: int = 0,
    clock: Clock | None = None,
    *,
    short_lane: bool = False,
) -> None:
    async def main() -> None:
        tagger = FakeTagger()
        beats = Heartbeats(SystemClock(), {HEARTBEAT: 1.0, SHORT_HEARTBEAT: 1.0})
        settings = ServerSettings.model_construct(
            suggest_token_budget=token_budget, suggest_queue_tokens=queue_tokens, suggest_cache_entries=cache_entries
        )
        suggester = Suggester(TaggerInUse(tagger), settings, clock or SystemClock(), beats, short_lane=short_lane)
        running = asyncio.create_task(suggester.run())
        try:
            async with asyncio.timeout(10):
                await test(suggester, tagger)
            assert not running.done()
        finally:
            tagger.gate.set()
            running.cancel()
            suggester.close()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (a condition of another thread)
        await asyncio.sleep(0.001)
