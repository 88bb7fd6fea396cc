"""Texts that wait at the same time are tagged in one batch, by an engine that the test can block."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from hangtag.engine.cost import CostModel, Padding
from hangtag.server import text_queue
from hangtag.server.errors import CallError
from hangtag.server.suggester import HEARTBEAT, Suggester
from hangtag.server.suggestion import Asked, Suggestion
from hangtag.server.text_batch import TextBatch
from hangtag.server.text_job import Encoded, Job
from hangtag.server.text_queue import Turn
from hangtag.settings import ServerSettings
from hangtag.tagger.faults import FaultError
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.probe import EngineDownError
from hangtag.tagger.suggested import Suggested
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.telemetry import Heartbeats, metrics
from hangtag.telemetry.clock import Clock, SystemClock
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields, LeftOut, ProductText
from hangtag.text.tokens import Tokens
from tests.unit.worker_parts import Clock as ManualClock

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
) -> None:
    async def main() -> None:
        tagger = FakeTagger()
        beats = Heartbeats(SystemClock(), {HEARTBEAT: 1.0})
        settings = ServerSettings.model_construct(
            suggest_token_budget=token_budget, suggest_queue_tokens=queue_tokens, suggest_cache_entries=cache_entries
        )
        suggester = Suggester(TaggerInUse(tagger), settings, clock or SystemClock(), beats)
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


def test_each_text_is_decoded_as_its_kind() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        kinds = {n: TextKind.PRODUCT if n % 3 else QUERY for n in range(9, 0, -1)}
        await asyncio.gather(*(suggest(suggester, words(n, kind)) for n, kind in kinds.items()))

        assert sorted(tagger.decoded) == sorted(kinds.items())
        assert len(tagger.batches) == 1

    run(test)


def test_each_caller_gets_the_tags_of_its_text() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        found = await asyncio.gather(*(suggest(suggester, words(n)) for n in range(1, 20)))

        assert [tag_of(tags) for tags in found] == [f"words:{n}" for n in range(1, 20)]
        assert tagger.batches == [list(range(1, 20))]

    run(test)


def test_waiting_texts_are_batched_within_the_budget_one_batch_at_a_time() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(1)))
        await until(lambda: tagger.batches)
        others = [asyncio.create_task(suggest(suggester, words(4, number=n))) for n in range(6)]
        await asyncio.sleep(0.02)
        assert tagger.batches == [[1]]
        tagger.gate.set()
        await asyncio.gather(first, *others)

        assert tagger.batches == [[1], [4, 4], [4, 4], [4, 4]]
        assert tagger.most_active == 1

    run(test, token_budget=10)


def test_shorter_texts_go_before_longer_ones() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        early = [asyncio.create_task(suggest(suggester, words(n))) for n in (200, 90, 40)]
        await until(lambda: tagger.batches)
        late = [asyncio.create_task(suggest(suggester, words(n))) for n in (500, 9, 8)]
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(*early, *late)

        # 8 and 9 words count as equally short: the older one goes first.
        assert tagger.batches == [[40], [9], [8], [90], [200], [500]]

    run(test, token_budget=10)


def test_a_text_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        await asyncio.gather(*(suggest(suggester, words(n)) for n in (50, 2, 3)))

        assert tagger.batches == [[2, 3], [50]]

    run(test, token_budget=10)


@pytest.mark.parametrize("poison", ["bad", "unreadable"])
def test_a_bad_text_fails_alone(poison: str) -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        texts = [words(n) for n in range(1, 9)]
        texts[5] = asked(f"this is {poison}")
        found = await asyncio.gather(*(suggest(suggester, each) for each in texts), return_exceptions=True)

        (error,) = [each for each in found if isinstance(each, Exception)]
        assert found.index(error) == 5
        assert isinstance(error, CallError)
        assert error.code is grpc.StatusCode.INTERNAL
        assert poison not in error.message
        assert tag_of(await suggest(suggester, words(3))) == "words:3"

    run(test)


def test_texts_of_cancelled_callers_are_not_tagged() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(1)))
        await until(lambda: tagger.batches)
        waiting = [asyncio.create_task(suggest(suggester, words(n))) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        first.cancel()
        await asyncio.sleep(0)
        tagger.gate.set()

        assert [tag_of(await waiting[0]), tag_of(await waiting[2])] == ["words:2", "words:4"]
        assert tagger.batches == [[1], [2, 4]]

    run(test)


def test_too_many_waiting_texts_are_refused_until_some_are_tagged() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        waiting = [asyncio.create_task(suggest(suggester, words(1, number=n))) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(CallError) as caught:
            await suggest(suggester, words(1, number=3))
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        tagger.gate.set()
        await asyncio.gather(*waiting)

        assert tag_of(await suggest(suggester, words(1))) == "words:1"

    run(test, queue_tokens=3 * 16)


def test_too_many_waiting_tokens_are_refused_but_one_text_alone_is_not() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        waiting = asyncio.create_task(suggest(suggester, words(500)))
        await asyncio.sleep(0)
        with pytest.raises(CallError, match="512 tokens of texts are in progress, the maximum is 100") as caught:
            await suggest(suggester, words(1))
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        tagger.gate.set()
        assert tag_of(await waiting) == "words:500"

        assert tag_of(await suggest(suggester, words(1))) == "words:1"

    run(test, queue_tokens=100)


def test_a_short_text_does_not_wait_until_long_ones_are_tokenised_and_tagged() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        encoded: list[int] = []
        encode = tagger.encode

        def recorded(texts: Sequence[ProductText], kinds: Sequence[TextKind]) -> list[Tokens]:
            encoded.extend(len(each.first.split()) for each in texts)
            return encode(texts, kinds)

        tagger.encode = recorded
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(1)))
        await until(lambda: tagger.batches)
        long = [asyncio.create_task(suggest(suggester, words(900, number=n))) for n in range(31)]
        await asyncio.sleep(0)
        short = asyncio.create_task(suggest(suggester, words(2)))
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(first, short, *long)

        assert tagger.batches[:2] == [[1], [2]]
        assert sorted(encoded) == [1, 2, *[900] * 31]
        # Of the long ones only one was tokenised beside the short one.
        assert encoded[:3] == [1, 2, 900]

    run(test)


def test_a_long_text_is_encoded_and_tagged_in_turns_of_their_own() -> None:
    tagger = FakeTagger()
    batch = TextBatch(TaggerInUse(tagger), 512, SystemClock())
    long, longer = (Job(one.key(), one, 0.0, True, 512) for one in (words(500), words(505)))
    turn = Turn([longer, long], is_by_age=False)

    assert batch.run(turn) == []
    assert long.encoded is not None
    assert longer.encoded is None
    ((job, found),) = batch.run(turn)

    assert (job, tag_of(found)) == (long, "words:500")
    assert tagger.batches == [[500]]


def test_a_batch_of_long_texts_takes_half_as_long_as_one_of_short_texts() -> None:
    """So that a short text that comes just after it has begun does not wait for several of them."""
    tagger = FakeTagger()
    batch = TextBatch(TaggerInUse(tagger), 512, SystemClock())
    batch.pace.tokens = 240

    def ready(tokens: int, count: int) -> list[Job]:
        jobs = [Job(one.key(), one, 0.0, True, 512) for one in (words(tokens, number=n) for n in range(count))]
        for job in jobs:
            (encoded,) = tagger.encode([job.asked.text])
            job.encoded = Encoded(encoded, LeftOut(), tagger.bundle.version)
        return jobs

    batch.run(Turn(ready(40, 6), is_by_age=False))
    batch.pace.tokens = 240
    batch.run(Turn(ready(20, 12), is_by_age=False))

    assert tagger.batches == [[40] * 3, [20] * 12]


def test_a_long_text_is_not_overtaken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_queue, "PATIENCE_S", 0.0)

    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(1)))
        await until(lambda: tagger.batches)
        others = [asyncio.create_task(suggest(suggester, words(n))) for n in (9, 2, 3)]
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(first, *others)

        assert tagger.batches == [[1], [9], [2, 3]]

    run(test, token_budget=10)


def test_cancelled_callers_leave_the_queue_while_the_engine_is_busy() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(1)))
        await until(lambda: tagger.batches)
        for _ in range(5):
            waiting = [asyncio.create_task(suggest(suggester, words(2, number=n))) for n in range(2)]
            await asyncio.sleep(0)
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

        assert len(suggester._queue) == 1
        tagger.gate.set()
        assert tag_of(await first) == "words:1"

    run(test, queue_tokens=3 * 16)


@pytest.mark.parametrize("stage", ["encode", "forward", "decode"])
def test_an_engine_that_fails_for_every_text_ends_the_run(stage: str) -> None:
    async def main() -> None:
        tagger = FakeTagger()
        calls = 0

        def fail(*_: object, **__: object) -> None:
            nonlocal calls
            calls += 1
            msg = "device lost"
            raise RuntimeError(msg)

        setattr(tagger, stage, fail)
        beats = Heartbeats(SystemClock(), {HEARTBEAT: 1.0})
        suggester = Suggester(TaggerInUse(tagger), ServerSettings(), SystemClock(), beats)
        async with asyncio.timeout(10):
            running = asyncio.create_task(suggester.run())
            found = await asyncio.gather(*(suggest(suggester, words(1)) for _ in range(9)), return_exceptions=True)
            with pytest.raises(EngineDownError, match="fails for any text.*device lost"):
                await running
            found += await asyncio.gather(suggest(suggester, words(1)), return_exceptions=True)
        suggester.close()

        assert [each.code for each in found] == [grpc.StatusCode.UNAVAILABLE] * 10
        # The batch and the harmless text; the batch is not split.
        assert calls == 2

    asyncio.run(main())


@pytest.mark.parametrize("stage", ["encode", "forward"])
@pytest.mark.parametrize("fault", [MemoryError, OSError])
def test_a_fault_of_memory_disk_or_device_ends_the_run_and_fails_no_text_alone(
    stage: str, fault: type[Exception]
) -> None:
    """Even if the harmless text is tagged. A caller is asked to try another server."""

    async def main() -> None:
        tagger = FakeTagger()
        real = getattr(tagger, stage)

        def fail(some: Sequence[ProductText] | Sequence[Tokens], *more: object, **options: bool) -> object:
            if any((len(each) if isinstance(each, Tokens) else len(each.first.split())) == 5 for each in some):
                raise fault
            return real(some, *more, **options)

        setattr(tagger, stage, fail)
        beats = Heartbeats(SystemClock(), {HEARTBEAT: 1.0})
        suggester = Suggester(TaggerInUse(tagger), ServerSettings(), SystemClock(), beats)
        async with asyncio.timeout(10):
            running = asyncio.create_task(suggester.run())
            texts = [words(number) for number in range(4, 9)]
            found = await asyncio.gather(*(suggest(suggester, each) for each in texts), return_exceptions=True)
            with pytest.raises(FaultError, match=fault.__name__):
                await running
        suggester.close()

        assert [each.code for each in found] == [grpc.StatusCode.UNAVAILABLE] * 5

    asyncio.run(main())


def source_of(name: str) -> float:
    return metrics.SUGGESTED_TEXTS.labels(name)._value.get()


def test_a_batch_is_answered_in_its_order_and_a_repeated_text_is_tagged_once() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        before = [source_of(name) for name in ("model", "same_text", "cache")]
        found = await suggester.suggest([words(n) for n in (3, 1, 2, 3, 1)], is_single=False)

        assert [tag_of(each) for each in found] == ["words:3", "words:1", "words:2", "words:3", "words:1"]
        assert tagger.batches == [[1, 2, 3]]
        after = [source_of(name) for name in ("model", "same_text", "cache")]
        assert [now - then for now, then in zip(after, before, strict=True)] == [3, 2, 0]

    run(test)


def test_the_same_text_that_waits_is_tagged_once_for_all_and_then_kept() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        before = [source_of(name) for name in ("model", "same_text", "cache")]
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(3)))
        await until(lambda: tagger.batches)
        same = [asyncio.create_task(suggest(suggester, words(3))) for _ in range(4)]
        other_kind = asyncio.create_task(suggest(suggester, words(3, TextKind.PRODUCT)))
        await asyncio.sleep(0)
        tagger.gate.set()
        found = await asyncio.gather(first, *same, other_kind)
        kept = await suggester.suggest([words(3), words(4)], is_single=False)

        assert {tag_of(each) for each in (*found, kept[0])} == {"words:3"}
        assert tagger.batches == [[3], [3], [4]]
        assert sorted(tagger.decoded) == [(3, TextKind.PRODUCT), (3, QUERY), (4, QUERY)]
        after = [source_of(name) for name in ("model", "same_text", "cache")]
        assert [now - then for now, then in zip(after, before, strict=True)] == [3, 4, 1]

    run(test, cache_entries=10)


def test_what_is_kept_of_one_bundle_does_not_answer_for_another() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        first = await suggest(suggester, words(1))
        tagger.bundle.version = "cd" * 32
        second = await suggest(suggester, words(1))
        third = await suggest(suggester, words(1))

        assert [each.bundle_version[:2] for each in (first, second, third)] == ["ab", "cd", "cd"]
        assert tagger.batches == [[1], [1]]

    run(test, cache_entries=10)


def test_the_cache_forgets_what_was_not_asked_for_for_the_longest_time() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        for n in (1, 2, 1, 3, 1, 2):
            await suggest(suggester, words(n))

        assert tagger.batches == [[1], [2], [3], [2]]

    run(test, cache_entries=2)


def test_a_text_of_a_batch_that_cannot_be_tagged_is_named_by_its_place() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        texts = [words(1), asked("this is bad"), words(2)]
        with pytest.raises(CallError, match=r"^texts\[1\] cannot be tagged") as caught:
            await suggester.suggest(texts, is_single=False)

        assert caught.value.code is grpc.StatusCode.INTERNAL
        assert len(suggester._queue) == 0

    run(test, cache_entries=10)


def test_a_text_that_failed_is_not_kept() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        for _ in range(2):
            batches = len(tagger.batches)
            with pytest.raises(CallError):
                await suggest(suggester, asked("this is bad"))
            assert len(tagger.batches) > batches

    run(test, cache_entries=10)


def test_a_single_text_does_not_wait_for_a_large_batch_however_long_that_has_waited() -> None:
    """Of the batch, at most what runs and one more part is tagged before it."""
    clock = ManualClock()

    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        texts = [words(200, number=n) for n in range(30)]
        batch = asyncio.create_task(suggester.suggest(texts, is_single=False))
        await until(lambda: tagger.batches)
        clock.now += 10 * text_queue.PATIENCE_S
        single = asyncio.create_task(suggest(suggester, words(1)))
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(single, batch)

        assert [1] in tagger.batches[:3]
        assert len(tagger.batches) > 10

    run(test, clock=clock)
