"""Both clients behind the same methods, and products for them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hangtag.client import AsyncClient, Client
from hangtag.store import Entry
from hangtag.v1 import tags_pb2

BUNDLE = "0123456789abcdef" * 4
LIMIT_S = 20


class OnLoop:
    """An `AsyncClient` that is used like a `Client`: each call runs on an event loop of another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *arguments: Any, **settings: Any) -> None:
        self._loop = loop
        self.inner = AsyncClient(*arguments, **settings)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **more: self.run(getattr(self.inner, name)(*arguments, **more))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT_S)


Make = Callable[..., Any]


@contextmanager
def making(kind: str, loop: asyncio.AbstractEventLoop) -> Iterator[Make]:
    """Makes clients of one kind, and closes them at the end."""
    made: list[Any] = []

    def make(address: str | Sequence[str], **settings: Any) -> Any:
        settings = {"timeout_s": LIMIT_S, **settings}
        client = Client(address, **settings) if kind == "sync" else OnLoop(loop, address, **settings)
        made.append(client)
        return client

    yield make
    for each in made:
        each.close()


def tags_of(product: str, version: int = 7) -> tags_pb2.ProductTags:
    red, navy, boots = (
        tags_pb2.Tag(facet=facet, value=value, confidence=confidence, source=source, band=band)
        for facet, value, confidence, source, band in (
            ("color", "red", 0.75, tags_pb2.SOURCE_HUMAN, tags_pb2.BAND_AUTO),
            ("color", "navy", 0.5, tags_pb2.SOURCE_MODEL, tags_pb2.BAND_REVIEW),
            ("class", "boots", 0.25, tags_pb2.SOURCE_RULE, tags_pb2.BAND_AUTO),
        )
    )
    return tags_pb2.ProductTags(
        product_id=product,
        version=version,
        tags=[boots, red],
        review=[navy],
        bundle_version=BUNDLE,
        tagged_at={"seconds": 1_764_000_000, "nanos": 500_000_000},
        decisions=[tags_pb2.Decision(facet="color", value="red", verdict=tags_pb2.VERDICT_ACCEPTED)],
    )


def entry(product: str, version: int = 7) -> Entry:
    return Entry(product, version, tags_of(product, version).SerializeToString())
