"""Many calls at once from a process of its own: `python -m tests.integration.server.burst PORT METHOD CALLS CHANNELS`.

Writes JSON to standard output: how many calls ended with each status.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable

import grpc
from google.protobuf.message import Message
from grpc import aio

from hangtag.v1 import tags_pb2, tags_pb2_grpc

_IDS = [f"p{i}" for i in range(1_000)]
_GET = tags_pb2.GetProductTagsRequest(product_id="p1")
_BATCH = tags_pb2.BatchGetProductTagsRequest(product_ids=_IDS)
# By the number of the call: every text is another, since the same text is tagged once for all who wait for it.
REQUESTS: dict[str, Callable[[int], Message]] = {
    "GetProductTags": lambda _: _GET,
    "BatchGetProductTags": lambda _: _BATCH,
    "SuggestTags": lambda number: tags_pb2.SuggestTagsRequest(text=f"red shoes {number}"),
}


async def _burst(port: int, method: str, calls: int, channels: int) -> dict[str, int]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    opened = [aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(channels)]
    await asyncio.gather(*(channel.channel_ready() for channel in opened))
    stubs = [getattr(tags_pb2_grpc.TagServiceStub(channel), method) for channel in opened]
    codes: Counter[str] = Counter()

    async def one(number: int) -> None:
        try:
            await stubs[number % channels](REQUESTS[method](number), timeout=60)
            codes["OK"] += 1
        except grpc.RpcError as error:
            codes[error.code().name] += 1

    await asyncio.gather(*map(one, range(calls)))
    await asyncio.gather(*(channel.close() for channel in opened))
    return dict(codes)


if __name__ == "__main__":
    _port, _method, _calls, _channels = sys.argv[1:]
    json.dump(asyncio.run(_burst(int(_port), _method, int(_calls), int(_channels))), sys.stdout)
