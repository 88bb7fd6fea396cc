"""Searches, one after the other or at a steady rate, and changes that become visible in them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np

from benchmarks.find_catalogue import Requests, product_id
from hangtag.v1 import tags_pb2, tags_pb2_grpc

_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 0.001


def p99(took_ms: list[float]) -> float:
    """The 99th percentile; of fewer than 100, the largest."""
    return sorted(took_ms)[int(len(took_ms) * 0.99)] if took_ms else 0.0


def one_at_a_time(address: str, tags: int, count: int, seed: int) -> list[float]:
    """How long each of `count` searches takes, in ms."""
    requests = Requests(seed)
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        took = []
        for _ in range(count):
            request = requests.next(tags)
            began = time.perf_counter()
            stub.FindProducts(request, timeout=_TIMEOUT_S)
            took.append((time.perf_counter() - began) * 1_000)
    return took


def similar_one_at_a_time(address: str, products: int, count: int, seed: int) -> list[float]:
    """How long it takes to find what is similar to each of `count` products, in ms."""
    rng = np.random.default_rng(seed)
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        took = []
        for number in rng.integers(products, size=count).tolist():
            began = time.perf_counter()
            stub.SimilarProducts(tags_pb2.SimilarProductsRequest(product_id=product_id(number)), timeout=_TIMEOUT_S)
            took.append((time.perf_counter() - began) * 1_000)
    return took


def capacity(address: str, seconds: float) -> float:
    """Searches a second with four callers, each with one search at a time, of one to four tags."""
    counts = [0] * 4
    end = time.monotonic() + seconds

    def call(caller: int) -> None:
        requests = Requests(100 + caller)
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            while time.monotonic() < end:
                stub.FindProducts(requests.next(1 + counts[caller] % 4), timeout=_TIMEOUT_S)
                counts[caller] += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def at_rate(address: str, per_s: float, seconds: float) -> list[float]:
    """How long searches take that begin at a steady rate whether or not others have ended, in ms."""
    requests = Requests(7)
    prepared = [requests.next(1 + number % 4) for number in range(int(per_s * seconds))]
    ended: SimpleQueue[float] = SimpleQueue()
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        started = time.monotonic()
        for number, request in enumerate(prepared):
            due = started + number / per_s
            time.sleep(max(0.0, due - time.monotonic()))

            def end(_: Future[Any], due: float = due) -> None:
                ended.put((time.monotonic() - due) * 1_000)

            stub.FindProducts.future(request, timeout=_TIMEOUT_S).add_done_callback(end)
        return [ended.get(timeout=_TIMEOUT_S) for _ in prepared]


def until_found(address: str, produce: Callable[[int], None], per_s: float, count: int) -> list[float]:
    """From producing a product with the tag `fresh:yes` to the first search that counts it, in ms, `count` times."""
    sent: list[float] = []
    took: list[float] = []
    query = tags_pb2.TagQuery(all_of=[tags_pb2.TagName(facet="fresh", value="yes")])
    request = tags_pb2.FindProductsRequest(query=query, page_size=1)
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        already = stub.FindProducts(request, timeout=_TIMEOUT_S).total

        def send() -> None:
            started = time.monotonic()
            for number in range(count):
                time.sleep(max(0.0, started + number / per_s - time.monotonic()))
                sent.append(time.monotonic())
                produce(number)

        thread = threading.Thread(target=send)
        thread.start()
        give_up = time.monotonic() + count / per_s + _TIMEOUT_S
        while len(took) < count and time.monotonic() < give_up:
            found = stub.FindProducts(request, timeout=_TIMEOUT_S).total - already
            now = time.monotonic()
            took += [(now - at) * 1_000 for at in sent[len(took) : found]]
            time.sleep(_LOOK_EVERY_S)
        thread.join()
    return took
