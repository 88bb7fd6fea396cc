"""Concurrent look-ups are combined into one read."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hangtag.server.coalescer import Coalescer, Found

from hangtag.store import Stored, StoreError


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000

    def monotonic(self) -> float:
        return self.now_ms / 1_000

    def wall_ms(self) -> int:
        return self.now_ms


class Reader:
    """Returns the id as payload once `gate` is open, and records what was read. Each read takes a second of `clock`."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.active = 0
        self.most_active = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.clock = Clock()

    def coalescer(self, **options: int) -> Coalescer:
        return Coalescer(self, self.clock, **options)

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        self.reads.append(list(ids))
        self.asked.set()
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await self.gate.wait()
            self.clock.now_ms += 1_000
            if self.error:
                raise self.error
            return [Stored(product.encode(), len(self.reads), None) for product in ids]
        finally:
            self.active -= 1


def run(test: Callable[[Reader], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await test(Reader())

    asyncio.run(main())


def payloads(found: Found) -> list[str]:
    return [stored.payload.decode() for stored in found.stored]


def test_one_loop_iteration_is_one_read_without_duplicates() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer()
        requested = [["a"], ["b", "a", "b"], ["a"], ["c"]]
        found = await asyncio.gather(*(coalescer.read(ids) for ids in requested))

        assert [payloads(each) for each in found] == requested
        assert reader.reads == [["a", "b", "c"]]

    run(test)


def test_no_ids_read_nothing() -> None:
    async def test(reader: Reader) -> None:
        assert await reader.coalescer().read([]) == Found([], 1_000)
        await asyncio.sleep(0)
        assert reader.reads == []

    run(test)


def test_a_product_that_is_being_read_is_read_again() -> None:
    # The running read may have missed a write that the later caller knows of.
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer()
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


def test_reads_have_a_maximum_size_and_replies_are_combined() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(max_products=10)
        ids = [f"p{i}" for i in range(25)]
        one, other = await asyncio.gather(coalescer.read(ids), coalescer.read(["p24", "p3"]))

        assert payloads(one) == ids
        assert payloads(other) == ["p24", "p3"]
        assert max(map(len, reader.reads)) == 10

    run(test)


def test_a_small_look_up_does_not_wait_for_large_ones() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(slice_products=250)
        reader.gate.clear()
        large = [asyncio.create_task(coalescer.read([f"{n}-{i}" for i in range(1_000)])) for n in range(50)]
        await reader.asked.wait()
        small = asyncio.create_task(coalescer.read(["a"]))
        for _ in range(3):
            await asyncio.sleep(0)

        # Two slices of the 200 are being read, and already the small look-up.
        assert [len(ids) for ids in reader.reads] == [250, 250, 1]
        reader.gate.set()
        assert payloads(await small) == ["a"]
        assert len(reader.reads) < 20
        found = await asyncio.gather(*large)
        assert [payloads(each)[999] for each in found] == [f"{n}-999" for n in range(50)]

    run(test)


def test_what_no_caller_waits_for_any_more_is_not_read() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(slice_products=250)
        reader.gate.clear()
        first = asyncio.create_task(coalescer.read([f"a{i}" for i in range(500)]))
        await reader.asked.wait()
        quitter = asyncio.create_task(coalescer.read([f"b{i}" for i in range(1_000)]))
        last = asyncio.create_task(coalescer.read([f"c{i}" for i in range(250)]))
        for _ in range(3):
            await asyncio.sleep(0)
        quitter.cancel()
        await asyncio.sleep(0)
        reader.gate.set()
        await asyncio.gather(first, last)

        assert [ids[0] for ids in reader.reads] == ["a0", "a250", "c0"]

    run(test)


def test_as_of_is_the_time_before_the_earliest_read() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(max_products=1, read_slots=1)
        several, last = await asyncio.gather(coalescer.read(["a", "b"]), coalescer.read(["c"]))

        assert (several.as_of_ms, last.as_of_ms) == (1_000, 3_000)

    run(test)


def test_as_of_of_a_waiting_read_is_not_the_time_of_the_request() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(read_slots=1)
        reader.gate.clear()
        first = asyncio.create_task(coalescer.read(["a"]))
        await reader.asked.wait()
        second = asyncio.create_task(coalescer.read(["b"]))
        await asyncio.sleep(0)
        reader.clock.now_ms = 50_000
        reader.gate.set()

        assert [(await first).as_of_ms, (await second).as_of_ms] == [1_000, 51_000]

    run(test)


def test_products_collect_while_all_read_slots_are_taken() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(read_slots=2)
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
        assert reader.most_active == 2

    run(test)


def test_an_error_is_raised_to_every_caller_and_the_next_read_works() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer(read_slots=1)
        reader.error = StoreError("gone")
        found = await asyncio.gather(*(coalescer.read(["a"]) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in found] == ["gone"] * 3

        reader.error = None
        assert payloads(await coalescer.read(["a"])) == ["a"]

    run(test)


def test_a_wrong_number_of_results_is_an_error() -> None:
    async def test(reader: Reader) -> None:
        async def short(_: Sequence[str]) -> list[Stored]:
            return []

        reader.read = short
        with pytest.raises(ValueError, match="shorter"):
            await reader.coalescer().read(["a"])

    run(test)


def test_a_cancelled_caller_does_not_cancel_the_read_for_others() -> None:
    async def test(reader: Reader) -> None:
        coalescer = reader.coalescer()
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


def test_an_error_that_nobody_waits_for_is_not_logged() -> None:
    # The caller gets the error of its first read and never retrieves that of the second.
    async def test(reader: Reader) -> None:
        logged: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        reader.error = StoreError("gone")
        with pytest.raises(StoreError):
            await reader.coalescer(max_products=1).read(["a", "b"])
        for _ in range(5):
            await asyncio.sleep(0)
        # asyncio logs an unretrieved error when the future is freed; the error's traceback refers to the future.
        reader.error = None
        gc.collect()

        assert len(reader.reads) == 2
        assert logged == []

    run(test)
