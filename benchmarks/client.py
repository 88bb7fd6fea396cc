"""What `hangtag.client` costs over the raw stubs, and what hedging does for the slowest look-ups.

    python -m benchmarks.client            # --quick: within 30 s

Starts Valkey with 20,000 products and a server of this checkout with the native transport, the fastest one. The server
has one core, the client and everything else the other one. Each call is measured in turns, raw and by the client, one
after the other. Hedging has three ways to the server, one of which takes 50 ms more, and eight callers. Writes
benchmarks/results/client.json.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import grpc
import orjson
from grpc import aio
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import ROOT
from benchmarks.server.__main__ import hardware
from benchmarks.server.requests import product_id
from benchmarks.server.stage import CLIENT_CORE, Server, fill, on_core
from hangtag.cli.errors import CommandError
from hangtag.cli.local import start_valkey
from hangtag.cli.stopping import Stopped, stopping
from hangtag.client import AsyncClient, Client
from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2, tags_pb2_grpc

_SLOW_MS, _HEDGE_AFTER_S, _CALLERS = 50, 0.01, 8
_BAR = 1.15
Row = dict[str, Any]


class Spent(NamedTuple):
    """Microseconds by the clock, and of processor time of this process."""

    us: float
    cpu_us: float

    @classmethod
    def now(cls) -> Self:
        """Until now."""
        return cls(time.perf_counter() * 1e6, time.process_time() * 1e6)

    @classmethod
    def since(cls, began: Self, calls: int) -> Self:
        """For each of the calls since then."""
        return cls(*((end - start) / calls for start, end in zip(began, cls.now(), strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.client", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="within 30 s: fewer calls")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/client.json")
    options = parser.parse_args()
    try:
        with stopping():
            result = run(quick=options.quick)
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    options.results.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    report(result)


def run(*, quick: bool) -> Row:
    """All figures."""
    # Short turns, so that what else the machine does disturbs both alike.
    rounds, calls = (10, 160) if quick else (80, 320)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(on_core(CLIENT_CORE))
        valkey = stack.enter_context(start_valkey(folder))
        server = Server("native", valkey.url, folder, {"server.transport": "native"})
        stack.callback(server.stop)
        fill(RedisSettings(url=valkey.url))
        server.wait()
        address = f"127.0.0.1:{server.port}"
        ports = stack.enter_context(slow_ports(server.port, 0, 0, _SLOW_MS))
        return {
            "hardware": hardware(),
            "us_per_call": {
                **threads(address, rounds, calls),
                **asyncio.run(tasks(address, rounds, calls)),
            },
            "hedging": {
                "slow_ms": _SLOW_MS,
                "hedge_after_ms": _HEDGE_AFTER_S * 1_000,
                "callers": _CALLERS,
                **asyncio.run(hedging([f"127.0.0.1:{port}" for port in ports], (1_000 if quick else 6_000))),
            },
        }


@contextlib.contextmanager
def slow_ports(target: int, *delays_ms: int) -> Iterator[list[int]]:
    """Ports that lead to `target`, with these delays."""
    command = [sys.executable, "-m", "benchmarks.slow_port", str(target), *map(str, delays_ms)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield [int(port) for port in child.stdout.readline().split()]
        finally:
            child.terminate()


def ids_of(number: int) -> list[str]:
    return [product_id(number * 100 + each) for each in range(100)]


def threads(address: str, rounds: int, calls: int) -> Row:
    """One thread, raw and with `Client`."""
    with grpc.insecure_channel(address) as channel, Client(address) as client:
        stub = tags_pb2_grpc.TagServiceStub(channel)

        def raw(number: int) -> Any:
            return stub.GetProductTags(tags_pb2.GetProductTagsRequest(product_id=product_id(number)), timeout=1)

        def raw_many(number: int) -> Any:
            return stub.BatchGetProductTags(tags_pb2.BatchGetProductTagsRequest(product_ids=ids_of(number)), timeout=1)

        return {
            "get": in_turns(rounds, calls, raw, lambda number: client.get(product_id(number))),
            "get and read": in_turns(
                rounds,
                calls,
                lambda number: read([raw(number)]),
                lambda number: read([client.get(product_id(number))]),
            ),
            "get_many of 100": in_turns(rounds, calls // 10, raw_many, lambda number: client.get_many(ids_of(number))),
            "get_many of 100 and read": in_turns(
                rounds,
                calls // 10,
                lambda number: read(raw_many(number).products),
                lambda number: read(client.get_many(ids_of(number))),
            ),
        }


def read(products: Any) -> list[Any]:
    """What callers do with an answer."""
    return [(each.version, [(tag.facet, tag.value) for tag in each.tags if tag.confidence > 0]) for each in products]


def in_turns(rounds: int, calls: int, *ways: Callable[[int], Any]) -> Row:
    """Microseconds of a call: medians over the rounds, and of the ratio within a round."""
    took: list[list[Spent]] = []
    for _ in range(rounds + 1):
        row = []
        for way in ways:
            began = Spent.now()
            for number in range(calls):
                way(number)
            row.append(Spent.since(began, calls))
        took.append(row)
    return row_of(took[1:])


async def tasks(address: str, rounds: int, calls: int) -> Row:
    """Tasks of one event loop, raw and with `AsyncClient`; of many at a time also gathered."""
    async with (
        aio.insecure_channel(address) as channel,
        AsyncClient(address) as client,
        AsyncClient(address, gather_gets=True) as gathering,
    ):
        stub = tags_pb2_grpc.TagServiceStub(channel)

        async def raw(number: int) -> Any:
            return await stub.GetProductTags(tags_pb2.GetProductTagsRequest(product_id=product_id(number)), timeout=1)

        ways = (raw, lambda number: client.get(product_id(number)), lambda number: gathering.get(product_id(number)))
        return {
            "get, asyncio": await at_once(rounds, calls, 1, *ways[:2]),
            "get, asyncio, 32 at a time": await at_once(rounds, calls, 32, *ways),
        }


async def at_once(rounds: int, calls: int, count: int, *ways: Callable[[int], Awaitable[Any]]) -> Row:
    """As `in_turns`, with so many callers."""
    took: list[list[Spent]] = []
    for _ in range(rounds + 1):
        row = []
        for way in ways:
            numbers = iter(range(calls))

            async def caller(way: Callable[[int], Awaitable[Any]] = way, numbers: Iterator[int] = numbers) -> None:
                for number in numbers:
                    await way(number)

            began = Spent.now()
            await asyncio.gather(*(caller() for _ in range(count)))
            row.append(Spent.since(began, calls))
        took.append(row)
    return row_of(took[1:])


def row_of(took: list[list[Spent]]) -> Row:
    """Medians; what the client adds is compared within each round."""
    raw, client, *gathered = (
        round(statistics.median(each.us for each in column), 1) for column in zip(*took, strict=True)
    )
    return {
        "raw": raw,
        "client": client,
        "client_over_raw": round(statistics.median(row[1].us / row[0].us for row in took), 3),
        "cpu_added": round(statistics.median(row[1].cpu_us - row[0].cpu_us for row in took), 1),
        **({"gathered": gathered[0]} if gathered else {}),
    }


async def hedging(addresses: list[str], calls: int) -> Row:
    """Latencies of look-ups with and without hedging, one of the three addresses being slow."""
    found: Row = {}
    for name, hedge_after_s in (("without", None), ("with", _HEDGE_AFTER_S)):
        async with AsyncClient(addresses, hedge_after_s=hedge_after_s) as client:
            for _ in range(30):
                await client.get(product_id(0))
            took: list[float] = []
            numbers = iter(range(calls))

            async def caller(
                client: AsyncClient = client, numbers: Iterator[int] = numbers, took: list[float] = took
            ) -> None:
                for number in numbers:
                    began = time.perf_counter()
                    await client.get(product_id(number))
                    took.append((time.perf_counter() - began) * 1_000)

            await asyncio.gather(*(caller() for _ in range(_CALLERS)))
        took.sort()
        found[name] = {
            "p50_ms": round(took[len(took) // 2], 2),
            "p99_ms": round(took[int(len(took) * 0.99)], 2),
            "worst_ms": round(took[-1], 1),
        }
    return found


def report(result: Row) -> None:
    table = Table(
        *("call", "raw, µs", "client, µs", "client over raw", "bar", "processor time added, µs"),
        title="hangtag.client on one core",
    )
    for name, row in result["us_per_call"].items():
        over, bar = row["client_over_raw"], "" if "read" in name else f"≤ {_BAR}"
        missed = " (missed)" if bar and over > _BAR else ""
        client = f"{row['client']:,}" + (f", gathered {row['gathered']:,}" if "gathered" in row else "")
        table.add_row(name, f"{row['raw']:,}", client, f"{over}{missed}", bar, str(row["cpu_added"]))
    Console(width=140).print(table)
    hedges = result["hedging"]
    table = Table(
        "look-ups", "p50 ms", "p99 ms", "worst ms", title=f"one of three servers {hedges['slow_ms']} ms slower"
    )
    for name in ("without", "with"):
        table.add_row(f"{name} hedging", *(str(each) for each in hedges[name].values()))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
