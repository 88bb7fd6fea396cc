"""Ways to find products for a text: by tags, by the words of titles, and both."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import bm25s
from google.protobuf.message import Message

from benchmarks.retrieval.catalogue import Product
from hangtag.index import Change, Index, find
from hangtag.server.search.find import Find
from hangtag.server.search.texts import Texts
from hangtag.server.suggester import HEARTBEAT, SHORT_HEARTBEAT, Suggester
from hangtag.settings import ServerSettings
from hangtag.store import Entry
from hangtag.tagger.tagger import Tagger
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import SystemClock
from hangtag.v1 import tags_pb2

# Products of a way that are looked at.
DEPTH = 100
# Cormack, Clarke and Büttcher 2009: what a place counts is 1 / (60 + place).
_FUSION = 60

Way = Callable[[str], list[str]]


class ByTags:
    """`FindProducts` by text, as the server answers it, over an index in this process."""

    def __init__(self, products: Sequence[Product], tagger: Tagger) -> None:
        self._tagger = tagger
        index = Index()
        index.take([Change.of(Entry(each.product_id, 1, each.payload)) for each in products])
        index.build()
        self._view = index.view()
        self.used: list[tags_pb2.FindProductsResponse] = []

    def all(self, texts: Sequence[str]) -> list[list[str]]:
        """The ids found for each text."""
        return asyncio.run(self._all(texts))

    async def _all(self, texts: Sequence[str]) -> list[list[str]]:
        clock, settings = SystemClock(), ServerSettings()
        suggester = Suggester(self._tagger, settings, clock, Heartbeats(clock, {HEARTBEAT: 60, SHORT_HEARTBEAT: 60}))
        running = asyncio.create_task(suggester.run())
        handler = Find(Texts(suggester, lambda: self._tagger.bundle), self._forward)
        found = []
        for text in texts:
            request = tags_pb2.FindProductsRequest(text=text, page_size=DEPTH)
            reply = tags_pb2.FindProductsResponse.FromString(await handler(request, clock.monotonic() + 60))
            self.used.append(reply)
            found.append([each.product_id for each in reply.products])
        running.cancel()
        suggester.close()
        return found

    async def _forward(self, _: str, request: Message, __: int, ___: float) -> bytes:
        assert isinstance(request, tags_pb2.FindProductsRequest)
        return find(self._view, request).SerializeToString()


def by_keywords(products: Sequence[Product]) -> Way:
    """BM25 over titles, in lower case, without the commonest English words, and with plurals as their singulars."""
    ids = [each.product_id for each in products]
    split = partial(bm25s.tokenize, stopwords="en", stemmer=_singulars, return_ids=False, show_progress=False)
    bm25 = bm25s.BM25()
    bm25.index(split([each.title for each in products]), show_progress=False)

    def way(text: str) -> list[str]:
        places, scores = bm25.retrieve(split([text]), k=min(DEPTH, len(ids)), show_progress=False)
        return [ids[at] for at, score in zip(places[0], scores[0], strict=True) if score > 0]

    return way


def _singulars(words: Sequence[str]) -> list[str]:
    """Harman 1991, "How effective is suffixing?": the S stemmer."""
    return [_singular(word) for word in words]


def _singular(word: str) -> str:
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return f"{word[:-3]}y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def both(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Two lists as one: reciprocal rank fusion."""
    scores: dict[str, float] = {}
    for ids in (first, second):
        for place, product_id in enumerate(ids, 1):
            scores[product_id] = scores.get(product_id, 0) + 1 / (_FUSION + place)
    return sorted(scores, key=lambda each: -scores[each])[:DEPTH]
