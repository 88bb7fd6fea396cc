"""Processor time of searches within one process: what the index itself costs, also on a machine that does other things.

    python -m benchmarks.find_cpu                          # 1,000,000 products, 1,000 searches of each number of tags
    python -m benchmarks.find_cpu --searches 300 --json

Makes the generated catalogue and answers the requests of `benchmarks.find`, best 20 and counts of all eight facets, one
after the other, from the request's bytes to the reply's. Only the time that this thread had a processor counts; what
gRPC and waiting add is measured by `make bench-find`. To compare two versions, run both in turns.
"""

import argparse
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson

from benchmarks.find_catalogue import Requests, catalogue, product_id
from benchmarks.find_load import p99
from hangtag.index import Index, View, answers
from hangtag.v1 import tags_pb2

_MOST_TAGS = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.find_cpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--products", type=int, default=1_000_000, help="size of the catalogue")
    parser.add_argument("--searches", type=int, default=1_000, help="of each number of tags, and of similar products")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    print(f"making {options.products:,} products", file=sys.stderr, flush=True)
    index = catalogue(options.products)
    index.build()
    result = measure(index, options.products, options.searches)
    if options.json:
        print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
        return
    for name, figures in result["cpu_ms"].items():
        print(f"{name}: p50 {figures['p50']:.2f} ms, p99 {figures['p99']:.2f} ms of processor time")
    print(f"replies: {result['replies']}")


def measure(index: Index, products: int, searches: int) -> dict[str, Any]:
    """The times in ms by what was asked, and a checksum of all replies: equal for versions that answer the same."""
    while index.view().prepare():
        pass
    view, digest = index.view(), blake2b(digest_size=8)
    found = {}
    for tags in range(1, _MOST_TAGS + 1):
        requests = Requests(tags)
        finds: list[Any] = [requests.next(tags) for _ in range(searches)]
        found[f"{tags} tag{'s' if tags > 1 else ''}"] = _times(view, "FindProducts", finds, digest.update)
    numbers = np.random.default_rng(13).integers(products, size=searches).tolist()
    likes = [tags_pb2.SimilarProductsRequest(product_id=product_id(number)) for number in numbers]
    found["similar"] = _times(view, "SimilarProducts", likes, digest.update)
    return {"products": products, "searches": searches, "cpu_ms": found, "replies": digest.hexdigest()}


def _times(view: View, method: str, requests: list[Any], take: Callable[[bytes], None]) -> dict[str, float]:
    answer = answers()[method]
    asked = [(type(request), request.SerializeToString()) for request in requests]
    took = []
    for kind, request in asked:
        began = time.thread_time_ns()
        reply = answer(view, kind.FromString(request)).SerializeToString()
        took.append((time.thread_time_ns() - began) / 1e6)
        take(reply)
    return {"p50": float(np.median(took)), "p99": p99(took)}


if __name__ == "__main__":
    main()
