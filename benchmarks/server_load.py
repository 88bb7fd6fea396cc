"""How long a single look-up and a short suggestion take beside many large ones, on a running server.

    python -m benchmarks.server_load --server 127.0.0.1:50051 --seconds 5

The products need not exist. The large calls come from a process of their own.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import grpc
import orjson
from grpc import aio
from rich.console import Console
from rich.table import Table

from hangtag.v1 import tags_pb2, tags_pb2_grpc

_LARGE = "/hangtag.v1.TagService/BatchGetProductTags"
_CONNECTIONS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="address of the server, HOST:PORT")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--large", type=int, nargs="*", default=[0, 20, 150, 400], help="concurrent calls of 1,000 ids")
    options = parser.parse_args()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        rows = []
        for callers in options.large:
            bulk = other.submit(large_calls, options.server, callers, options.seconds + 1)
            row = asyncio.run(single_calls(options.server, options.seconds))
            rows.append({"large": callers, **row, "large_calls": bulk.result()})
    report(rows, asyncio.run(short_beside_long(options.server)))


def large_calls(server: str, callers: int, seconds: float) -> dict[str, int]:
    """Call in a loop; a call that is refused is retried after 300 ms."""
    return asyncio.run(_large_calls(server, callers, time.monotonic() + seconds))


async def _large_calls(server: str, callers: int, end: float) -> dict[str, int]:
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=[f"p{i}" for i in range(1_000)]).SerializeToString()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [aio.insecure_channel(server, options=options) for _ in range(_CONNECTIONS)]
    codes: Counter[str] = Counter()

    async def caller(number: int) -> None:
        call = channels[number % _CONNECTIONS].unary_unary(_LARGE, None, None)
        while time.monotonic() < end:
            try:
                await call(request, timeout=20)
                codes["OK"] += 1
            except aio.AioRpcError as error:
                codes[error.code().name] += 1
                await asyncio.sleep(0.3)

    await asyncio.gather(*map(caller, range(callers)))
    await asyncio.gather(*(channel.close() for channel in channels))
    return dict(codes)


async def single_calls(server: str, seconds: float) -> dict[str, float]:
    async with aio.insecure_channel(server) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        await asyncio.sleep(1)
        took = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            took.append(await timed(stub.BatchGetProductTags(tags_pb2.BatchGetProductTagsRequest(product_ids=["p"]))))
            await asyncio.sleep(0.02)
    took.sort()
    return {"p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)], "worst_ms": took[-1]}


async def short_beside_long(server: str) -> float:
    """Milliseconds of a short suggestion that arrives behind 31 long ones, the median of five."""
    took = []
    async with aio.insecure_channel(server) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        for _ in range(5):
            text = "red wool scarf, hand knitted, with long sleeves " * 150
            request = tags_pb2.SuggestTagsRequest(text="scarf", description=text)
            long = [asyncio.ensure_future(stub.SuggestTags(request, timeout=30)) for _ in range(31)]
            await asyncio.sleep(0.02)
            took.append(await timed(stub.SuggestTags(tags_pb2.SuggestTagsRequest(text="red shoes"), timeout=30)))
            await asyncio.gather(*long)
    return sorted(took)[2]


async def timed(call: aio.UnaryUnaryCall) -> float:
    started = time.monotonic()
    try:
        await call
    except grpc.RpcError as error:
        sys.stderr.write(f"{error.code().name}: {error.details()}\n")
    return (time.monotonic() - started) * 1_000


def report(rows: list[dict], short_ms: float) -> None:
    table = Table("calls of 1,000 ids", "single p50 ms", "p99 ms", "worst ms", "large calls")
    for row in rows:
        times = (f"{row[name]:.0f}" for name in ("p50_ms", "p99_ms", "worst_ms"))
        table.add_row(str(row["large"]), *times, str(row["large_calls"]))
    console = Console(stderr=True)
    console.print(table)
    console.print(f"short suggestion behind 31 long ones: {short_ms:.0f} ms")
    result = {"lookups": rows, "short_suggestion_ms": short_ms}
    sys.stdout.write(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n")


if __name__ == "__main__":
    main()
