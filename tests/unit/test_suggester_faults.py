"""Texts, and engines, that cannot be tagged."""

import asyncio
from collections.abc import Sequence

import grpc
import pytest

from hangtag.server.errors import CallError
from hangtag.server.suggester import HEARTBEAT, SHORT_HEARTBEAT, Suggester
from hangtag.settings import ServerSettings
from hangtag.tagger.faults import FaultError
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.probe import EngineDownError
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import SystemClock
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from tests.unit.suggester_parts import FakeTagger, asked, run, suggest, tag_of, words


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
        beats = Heartbeats(SystemClock(), {HEARTBEAT: 1.0, SHORT_HEARTBEAT: 1.0})
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
        beats = Heartbeats(SystemClock(), {HEARTBEAT: 1.0, SHORT_HEARTBEAT: 1.0})
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
