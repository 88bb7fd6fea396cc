"""Another release comes into use while texts are being tagged."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

from hangtag.server.suggester import HEARTBEAT, SHORT_HEARTBEAT, Suggester
from hangtag.server.suggestion import Suggestion
from hangtag.server.text_batch import TextBatch
from hangtag.server.text_job import Job
from hangtag.server.text_queue import Turn
from hangtag.settings import ServerSettings
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.release import Release
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import SystemClock
from tests.unit.suggester_parts import FakeTagger, suggest, until, words


class OtherTagger(FakeTagger):
    """Another bundle: its tags are called otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.bundle = SimpleNamespace(**{**vars(self.bundle), "version": "cd" * 32})


def swapping(test: Callable[[Suggester, TaggerInUse, FakeTagger, FakeTagger], Awaitable[None]]) -> None:
    """Run a test with two bundles and a cache; the texts of a batch are long, so that they are tagged one by one."""

    async def main() -> None:
        old, new = FakeTagger(), OtherTagger()
        in_use = TaggerInUse(old, sequence=1)
        settings = ServerSettings.model_construct(
            suggest_token_budget=512, suggest_queue_tokens=16_384, suggest_cache_entries=100
        )
        suggester = Suggester(
            in_use, settings, SystemClock(), Heartbeats(SystemClock(), {HEARTBEAT: 1.0, SHORT_HEARTBEAT: 1.0})
        )
        running = asyncio.create_task(suggester.run())
        try:
            async with asyncio.timeout(10):
                await test(suggester, in_use, old, new)
        finally:
            old.gate.set()
            running.cancel()
            suggester.close()

    asyncio.run(main())


def versions(found: Sequence[Suggestion]) -> set[str]:
    return {each.bundle_version for each in found}


def test_a_reply_never_has_the_tags_of_two_bundles() -> None:
    async def test(suggester: Suggester, in_use: TaggerInUse, old: FakeTagger, new: FakeTagger) -> None:
        batch = [words(500, number=number) for number in range(4)]
        old.gate.clear()
        call = asyncio.create_task(suggester.suggest(batch, is_single=False))
        await until(lambda: old.batches)
        in_use.current = Release(new, sequence=2)
        old.gate.set()

        found = await call

        assert versions(found) == {"cd" * 32}
        assert old.batches == [[500]], "what the old bundle began it ends, and no more"
        # From the cache, too: nothing of the old bundle is left.
        assert versions(await suggester.suggest(batch, is_single=False)) == {"cd" * 32}
        assert len(new.batches) == 4

    swapping(test)


def test_what_the_old_bundle_has_tokenised_is_tokenised_again() -> None:
    tagger, other = FakeTagger(), OtherTagger()
    in_use = TaggerInUse(tagger)
    batch = TextBatch(in_use, 512, SystemClock())
    long, longer = (Job(one.key(), one, 0.0, True, 512) for one in (words(500), words(505)))
    turn = Turn([longer, long], is_by_age=False)
    batch.run(turn)
    assert long.encoded is not None
    encode, encoded = other.encode, []
    other.encode = lambda texts, kinds: encoded.extend(texts) or encode(texts, kinds)  # type: ignore[method-assign]
    in_use.current = Release(other)

    finished = [each for _ in range(2) for each in batch.run(turn)]

    assert [found.bundle_version for _, found in finished] == ["cd" * 32]
    assert (encoded, tagger.batches) == ([long.asked.text], [])


def test_a_call_that_begins_after_the_swap_gets_no_answer_of_the_old_bundle() -> None:
    async def test(suggester: Suggester, in_use: TaggerInUse, old: FakeTagger, new: FakeTagger) -> None:
        old.gate.clear()
        early = asyncio.create_task(suggest(suggester, words(3)))
        await until(lambda: old.batches)
        in_use.current = Release(new, sequence=2)
        late = asyncio.create_task(suggest(suggester, words(3)))
        await asyncio.sleep(0)
        old.gate.set()

        assert (await late).bundle_version == "cd" * 32
        assert (await early).bundle_version == "ab" * 32

    swapping(test)


def test_other_blocked_tags_are_another_release_of_the_same_bundle() -> None:
    async def test(suggester: Suggester, in_use: TaggerInUse, old: FakeTagger, _: FakeTagger) -> None:
        await suggest(suggester, words(3))
        in_use.current = Release(old, sequence=2)
        await suggest(suggester, words(3))
        assert old.batches == [[3]], "the same tags: those that are kept"

        in_use.current = Release(old, sequence=3, blocked_sequence=3)
        await suggest(suggester, words(3))

        assert old.batches == [[3], [3]]

    swapping(test)


def test_an_idle_suggester_holds_no_bundle() -> None:
    async def test(suggester: Suggester, in_use: TaggerInUse, old: FakeTagger, new: FakeTagger) -> None:
        await suggester.suggest([words(3), words(4)])
        held = weakref.ref(in_use.current)
        in_use.current = Release(new, sequence=2)

        await until(lambda: held() is None)
        assert old is not None

    swapping(test)
