"""Many look-ups at once become one read."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence

import pytest

from hangtag.server.coalescer import Coalescer
from hangtag.store import Stored, StoreError


class Reader:
    """Answers with the id as payload, after `gate` opens; notes what was read."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        self.reads.append(list(ids))
        self.asked.set()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            if self.error:
                raise self.error
            return [Stored(product.encode(), len(self.reads), b"", None) for product in ids]
        finally:
            self.under_way -= 1


def run(test: Callable[[Reader], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await test(Reader())

    asyncio.run(main())


def payloads(found: Sequence[Stored]) -> list[str]:
    return [stored.payload.decode() for stored in found]


def test_one_turn_is_one_read_without_duplicates() -> None:
    async def test(reader: Reader) -> None:
        coalescer = Coalescer(reader)
        asked = [["a"], ["b", "a", "b"], ["a"], ["c"]]
        found = await asyncio.gather(*(coalescer.read(ids) for ids in asked))

        assert [payloads(each) for each in found] == asked
        assert reader.reads == [["a", "b", "c"]]

    run(test)


def test_nothing_asked_is_nothing_read() -> None:
    async def test(reader: Reader) -> None:
        assert await Coalescer(reader).read([]) == []
        await asyncio.sleep(0)
        assert reader.reads == []

    run(test)


def test_a_later_turn_reads_again() -> None:
    # The read under way may have missed a write that the later caller knows of.
    async def test(reader: Reader) -> None:
        coalescer = Coalescer(reader)
        reader.gate.clear()
        first = asyncio.create_task(coalescer.read(["a"]))
        await reader.asked.wait()
        second = asyncio.create_task(coalescer.read(["a"]))
        for _ in range(3):
            await asyncio.sleep(0)
        reader.gate.set()
        await asyncio.gather(first, second)

        assert reader.reads == [["a"], ["a"]]

    run(test)


def test_reads_are_capped_and_answers_put_together() -> None:
    async def test(reader: Reader) -> None:
        coalescer = Coalescer(reader, max_products=10)
        ids = [f"p{i}" for i in range(25)]
        one, other = await asyncio.gather(coalescer.read(ids), coalescer.read(["p24", "p3"]))

        assert payloads(one) == ids
        assert payloads(other) == ["p24", "p3"]
        assert max(map(len, reader.reads)) == 10

    run(test)


def test_while_all_lanes_are_taken_products_gather() -> None:
    async def test(reader: Reader) -> None:
        coalescer = Coalescer(reader, lanes=2)
        reader.gate.clear()
        tasks = []
        for turn in range(6):
            tasks.append(asyncio.create_task(coalescer.read([f"p{turn}"])))
            for _ in range(3):
                await asyncio.sleep(0)
        assert reader.reads == [["p0"], ["p1"]]
        reader.gate.set()
        found = await asyncio.gather(*tasks)

        assert [payloads(each) for each in found] == [[f"p{turn}"] for turn in range(6)]
        assert reader.reads == [["p0"], ["p1"], ["p2", "p3", "p4", "p5"]]
        assert reader.most_under_way == 2

    run(test)


def test_an_error_reaches_every_caller_and_the_next_read_works() -> None:
    async def test(reader: Reader) -> None:
        coalescer = Coalescer(reader, lanes=1)
        reader.error = StoreError("gone")
        found = await asyncio.gather(*(coalescer.read(["a"]) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in found] == ["gone"] * 3

        reader.error = None
        assert payloads(await coalescer.read(["a"])) == ["a"]

    run(test)


def test_a_wrong_count_is_an_error_and_no_hang() -> None:
    async def test(reader: Reader) -> None:
        async def short(_: Sequence[str]) -> list[Stored]:
            return []

        reader.read = short
        with pytest.raises(ValueError, match="shorter"):
            await Coalescer(reader).read(["a"])

    run(test)


def test_a_caller_that_gives_up_leaves_the_others_their_answer() -> None:
    async def test(reader: Reader) -> None:
        coalescer = Coalescer(reader)
        reader.gate.clear()
        quitter = asyncio.create_task(coalescer.read(["a"]))
        other = asyncio.create_task(coalescer.read(["a"]))
        await reader.asked.wait()
        quitter.cancel()
        await asyncio.sleep(0)
        reader.gate.set()

        assert payloads(await other) == ["a"]
        assert quitter.cancelled()

    run(test)


def test_an_error_that_nobody_waits_for_is_no_noise() -> None:
    # The caller leaves with the error of its first read and never asks for that of the second.
    async def test(reader: Reader) -> None:
        noise: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        reader.error = StoreError("gone")
        with pytest.raises(StoreError):
            await Coalescer(reader, max_products=1).read(["a", "b"])
        for _ in range(5):
            await asyncio.sleep(0)
        # The future speaks up when it goes, and the error's traceback holds on to it.
        reader.error = None
        gc.collect()

        assert len(reader.reads) == 2
        assert noise == []

    run(test)
