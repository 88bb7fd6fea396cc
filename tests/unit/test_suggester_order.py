"""Which of the waiting texts are tagged next: short ones before long ones, and none waits for ever."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from hangtag.server import text_queue
from hangtag.server.suggester import Suggester
from hangtag.server.suggestion import Asked
from hangtag.server.text_batch import TextBatch
from hangtag.server.text_job import Encoded, Job
from hangtag.server.text_queue import Turn
from hangtag.tagger.in_use import TaggerInUse
from hangtag.telemetry.clock import SystemClock
from hangtag.text.kind import TextKind
from hangtag.text.product_text import LeftOut, ProductText
from hangtag.text.tokens import Tokens
from tests.unit.suggester_parts import FakeTagger, run, suggest, tag_of, until, words
from tests.unit.worker_parts import Clock as ManualClock


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


def test_replies_are_made_before_the_next_batch_begins() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        order: list[str] = []
        turn = suggester._queue.turn

        def recorded(now: float, *, is_short: bool | None) -> Turn:
            chosen = turn(now, is_short=is_short)
            if chosen.jobs:
                order.append("batch")
            return chosen

        suggester._queue.turn = recorded  # type: ignore[method-assign]

        async def caller(one: Asked) -> None:
            await suggest(suggester, one)
            order.append("reply")

        tagger.gate.clear()
        callers = [asyncio.create_task(caller(words(1, number=number))) for number in range(3)]
        await until(lambda: tagger.batches)
        callers.append(asyncio.create_task(caller(words(2))))
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(*callers)

        assert order == ["batch", *["reply"] * 3, "batch", "reply"]

    run(test)


def test_shorter_texts_go_before_longer_ones() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        early = [asyncio.create_task(suggest(suggester, words(n))) for n in (200, 90, 40)]
        await until(lambda: tagger.batches)
        late = [asyncio.create_task(suggest(suggester, words(n))) for n in (500, 21, 20)]
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(*early, *late)

        # 20 and 21 words count as equally short: the older one goes first.
        assert tagger.batches == [[40], [21], [20], [90], [200], [500]]

    run(test, token_budget=10)


def test_a_text_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        await asyncio.gather(*(suggest(suggester, words(n)) for n in (50, 2, 3)))

        assert sorted(tagger.batches) == [[2, 3], [50]]

    run(test, token_budget=10)


def test_a_short_text_does_not_wait_for_a_long_inference() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        forward, begun, ending = tagger.forward, threading.Event(), threading.Event()

        def blocked(tokens: Sequence[Tokens], **more: bool) -> np.ndarray:
            if max(map(len, tokens)) == 200:
                begun.set()
                ending.wait(5)
            return forward(tokens, **more)

        tagger.forward = blocked
        long = asyncio.create_task(suggest(suggester, words(200)))
        await until(begun.is_set)
        assert tag_of(await suggest(suggester, words(2))) == "words:2"
        assert not long.done()
        ending.set()
        assert tag_of(await long) == "words:200"

    run(test, short_lane=True)


def test_a_shorter_text_does_not_wait_until_long_ones_are_tokenised_and_tagged() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        encoded: list[int] = []
        encode = tagger.encode

        def recorded(texts: Sequence[ProductText], kinds: Sequence[TextKind]) -> list[Tokens]:
            encoded.extend(len(each.first.split()) for each in texts)
            return encode(texts, kinds)

        tagger.encode = recorded
        tagger.gate.clear()
        first = asyncio.create_task(suggest(suggester, words(40)))
        await until(lambda: tagger.batches)
        long = [asyncio.create_task(suggest(suggester, words(900, number=n))) for n in range(31)]
        await asyncio.sleep(0)
        short = asyncio.create_task(suggest(suggester, words(20)))
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(first, short, *long)

        assert tagger.batches[:2] == [[40], [20]]
        assert sorted(encoded) == [20, 40, *[900] * 31]
        # Of the long ones only one was tokenised beside the shorter one.
        assert encoded[:3] == [40, 20, 900]

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


def test_a_single_text_does_not_wait_for_a_large_batch_however_long_that_has_waited() -> None:
    """Of the batch, at most what runs and one more part is tagged before it."""
    clock = ManualClock()

    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        tagger.gate.clear()
        texts = [words(200, number=n) for n in range(30)]
        batch = asyncio.create_task(suggester.suggest(texts, is_single=False))
        await until(lambda: tagger.batches)
        clock.now += 10 * text_queue.PATIENCE_S
        single = asyncio.create_task(suggest(suggester, words(20)))
        await asyncio.sleep(0)
        tagger.gate.set()
        await asyncio.gather(single, batch)

        assert [20] in tagger.batches[:3]
        assert len(tagger.batches) > 10

    run(test, clock=clock)
