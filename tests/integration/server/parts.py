"""A running server whose tagger counts words, and a client of it."""

import asyncio
import concurrent.futures
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hangtag.engine.cost import CostModel, Padding
from hangtag.server import serve
from hangtag.server.member import Bound
from hangtag.settings import RedisSettings, ServerSettings, Settings
from hangtag.tagger.suggested import Suggested
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.v1 import tags_pb2, tags_pb2_grpc

BUNDLE = "0123456789abcdef" * 4
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
Code = grpc.StatusCode


class FakeTagger:
    """Tags a text with its number of words. `forward` waits for `gate` and records its batch sizes in `batches`."""

    def __init__(self) -> None:
        self.bundle = SimpleNamespace(version=BUNDLE, tokenizer=SimpleNamespace(max_tokens=512, left_out=None))
        self.engine = SimpleNamespace(cost=CostModel(Padding.NONE, 512))
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, texts: Sequence[ProductText], _kinds: Sequence[TextKind] = ()) -> list[Tokens]:
        words = [f"{text.first} {text.second}".split() for text in texts]
        return [Tokens(np.ones(len(each), np.int32), np.zeros(len(each), np.int32)) for each in words]

    def encode_located(self, texts: Sequence[ProductText], kinds: Sequence[TextKind]) -> list[Tokens]:
        return self.encode(texts, kinds)

    def forward(self, tokens: Sequence[Tokens], **_: bool) -> np.ndarray:
        self.batches.append(len(tokens))
        self.gate.wait(10)
        return np.array([[len(each)] for each in tokens], np.float32)

    def decode(self, logits: np.ndarray, kinds: Sequence[TextKind]) -> list[TagSet]:
        assert len(kinds) == len(logits)
        sure = [ScoredTag(f"words:{int(n)}", 0.75, Source.MODEL, Band.AUTO) for (n,) in logits]
        unsure = ScoredTag("mood:a:b", 0.25, Source.RULE, Band.REVIEW)
        return [TagSet((tag,), (unsure,)) for tag in sure]

    def explain(self, _scores: np.ndarray, tags: Sequence[TagSet], _kinds: Sequence[TextKind]) -> list[Suggested]:
        return [Suggested(each) for each in tags]


class Served:
    """A running server and a client of it."""

    def __init__(self, bound: Bound, stop: Callable[[], None], result: concurrent.futures.Future[None]) -> None:
        self.port = port = bound.port
        self.http_port = bound.http_port
        self.stop = stop
        self.result = result
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.tags = tags_pb2_grpc.TagServiceStub(self.channel)

    def get(self, product: str, min_version: int = 0) -> tags_pb2.GetProductTagsResponse:
        return self.tags.GetProductTags(
            tags_pb2.GetProductTagsRequest(product_id=product, min_version=min_version), timeout=5
        )

    def batch(self, products: Sequence[str]) -> list[tags_pb2.GetProductTagsResponse]:
        request = tags_pb2.BatchGetProductTagsRequest(product_ids=products)
        return list(self.tags.BatchGetProductTags(request, timeout=5).products)

    def suggest(self, text: str = "", **more: object) -> tags_pb2.SuggestTagsResponse:
        return self.tags.SuggestTags(tags_pb2.SuggestTagsRequest(text=text, **more), timeout=5)

    def suggest_later(self, text: str, timeout: float = 5) -> grpc.Future:
        return self.tags.SuggestTags.future(tags_pb2.SuggestTagsRequest(text=text), timeout=timeout)

    def raw(self, method: str, request: bytes) -> bytes:
        return self.channel.unary_unary(f"/hangtag.v1.TagService/{method}", None, None)(request, timeout=5)

    def health(self, service: str = "") -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


@contextmanager
def serving(loop: asyncio.AbstractEventLoop, settings: Settings, tagger: Any) -> Iterator[Served]:
    ready: concurrent.futures.Future[Bound] = concurrent.futures.Future()
    stop = asyncio.Event()
    result = asyncio.run_coroutine_threadsafe(serve(settings, tagger, ready.set_result, stop), loop)
    concurrent.futures.wait([ready, result], 15, concurrent.futures.FIRST_COMPLETED)
    if not ready.done():
        result.result(0)
    served = Served(ready.result(0), lambda: loop.call_soon_threadsafe(stop.set), result)
    try:
        yield served
    finally:
        if isinstance(tagger, FakeTagger):
            tagger.gate.set()
        served.stop()
        result.result(15)
        served.channel.close()


def settings_for(redis: RedisSettings, **server: object) -> Settings:
    # Every suggestion is computed, so that a test can hold it back.
    server = {
        "port": 0,
        "index_address": "none",
        "grace_s": 5,
        "drain_s": 0,
        "follow": False,
        "suggest_cache_entries": 0,
        **server,
    }
    return Settings(redis=redis, server=ServerSettings(**server))


def until(condition: Callable[[], object], limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.02)


def refused(method: str) -> float:
    """Calls of a method that were refused, whatever limit was reached."""
    return sum(
        sample.value
        for family in metrics.SERVER.collect()
        for sample in family.samples
        if sample.name == "hangtag_refused_calls_total" and sample.labels["method"] == method
    )


def calls_in_flight() -> int:
    """The calls that the server, which runs in this process, has read and not answered yet."""
    return int(metrics.SERVER.get_sample_value("hangtag_calls_in_flight") or 0)


@contextmanager
def fails_with(code: grpc.StatusCode, *parts: str) -> Iterator[None]:
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() is code
    for part in parts:
        assert part in caught.value.details()


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port
