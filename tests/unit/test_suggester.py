"""Texts that wait at the same time are tagged in one batch, by an engine that the test can block."""

import asyncio

import grpc
import pytest

from hangtag.server.errors import CallError
from hangtag.server.suggester import Suggester
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from tests.unit.suggester_parts import QUERY, FakeTagger, run, suggest, tag_of, until, words


def test_each_text_is_decoded_as_its_kind() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        kinds = {n: TextKind.PRODUCT if n % 3 else QUERY for n in range(9, 0, -1)}
        await asyncio.gather(*(suggest(suggester, words(n, kind)) for n, kind in kinds.items()))

        assert sorted(tagger.decoded) == sorted(kinds.items())
        assert len(tagger.batches) == 1

    run(test)


def test_each_caller_gets_the_tags_of_its_text() -> None:
    async def test(suggester: Suggester, tagger: FakeTagger) -> None:
        found = await asyncio.gather(*(suggest(suggester, words(n)) for n in range(1, 18)))

        assert [tag_of(tags) for tags in found] == [f"words:{n}" for n in range(1, 18)]
        assert tagger.batches == [list(range(1, 18))]

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
