"""One handler a method: checks the request, asks, puts the reply together. Replies are bytes, ready for the wire."""

from collections import Counter
from collections.abc import Iterable

import grpc

from hangtag.records import tag_message
from hangtag.server import wire
from hangtag.server.checks import check_batch, check_get, check_suggest
from hangtag.server.coalescer import Coalescer
from hangtag.server.errors import CallError
from hangtag.server.freshness import Freshness, freshness
from hangtag.server.suggester import Suggester
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2

_STATES = {state: tags_pb2.Freshness.Name(state) for state in tags_pb2.Freshness.values()}
_WITH_TAGS = frozenset({tags_pb2.FRESH, tags_pb2.STALE})


class Handlers:
    """The methods of `TagService`. All raise `CallError` for what the caller can mend, and `StoreError`."""

    def __init__(self, coalescer: Coalescer, suggester: Suggester, max_ids: int) -> None:
        self._coalescer = coalescer
        self._suggester = suggester
        self._max_ids = max_ids

    async def get_product_tags(self, request: tags_pb2.GetProductTagsRequest) -> bytes:
        """The tags of one product."""
        product = check_get(request)
        (stored,) = await self._coalescer.read([request.product_id])
        state = freshness(stored, request.min_version)
        _count([state])
        if state == tags_pb2.UNKNOWN:
            message = f"product {request.product_id!r} was never seen, or is deleted; list it with a product event"
            raise CallError(grpc.StatusCode.NOT_FOUND, message)
        return wire.lookup(product, state, stored.payload if state in _WITH_TAGS else b"")

    async def batch_get_product_tags(self, request: tags_pb2.BatchGetProductTagsRequest) -> bytes:
        """The tags of many products, in the order of the request."""
        products = check_batch(request, self._max_ids)
        found = await self._coalescer.read(request.product_ids)
        states = [freshness(stored) for stored in found]
        _count(states)
        return wire.batch(
            wire.lookup(product, state, stored.payload if state in _WITH_TAGS else b"")
            for product, state, stored in zip(products, states, found, strict=True)
        )

    async def suggest_tags(self, request: tags_pb2.SuggestTagsRequest) -> bytes:
        """The tags of a text."""
        tags = await self._suggester.suggest(check_suggest(request))
        reply = tags_pb2.SuggestTagsResponse(
            tags=map(tag_message, tags.tags),
            review=map(tag_message, tags.review),
            bundle_version=self._suggester.bundle_version,
        )
        return reply.SerializeToString()


def _count(states: Iterable[Freshness]) -> None:
    for state, count in Counter(states).items():
        metrics.LOOKUPS.labels(_STATES[state]).inc(count)
