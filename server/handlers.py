"""One handler per method: it checks the request, gets the tags and builds the reply as serialised bytes."""

from collections import Counter
from collections.abc import Iterable

import grpc

from hangtag.server import wire
from hangtag.server.checks import check_batch, check_get
from hangtag.server.coalescer import Coalescer
from hangtag.server.errors import CallError
from hangtag.server.freshness import Freshness, freshness
from hangtag.server.narrow import is_empty, narrow_stored
from hangtag.server.popular import Popular
from hangtag.store import Stored
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2

# Names of the states in metrics: UNKNOWN, not FRESHNESS_UNKNOWN.
_STATES = {state: tags_pb2.Freshness.Name(state).removeprefix("FRESHNESS_") for state in tags_pb2.Freshness.values()}
_WITH_TAGS = frozenset({tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE})


class Handlers:
    """The look-ups of `TagService`. They raise `CallError` for errors that the caller can fix, and `StoreError`."""

    def __init__(self, coalescer: Coalescer, max_ids: int, popular: Popular) -> None:
        self._coalescer = coalescer
        self._max_ids = max_ids
        self._popular = popular

    async def get_product_tags(self, request: tags_pb2.GetProductTagsRequest) -> bytes:
        """The tags of one product."""
        product = check_get(request)
        self._popular.count([request.product_id])
        found = await self._coalescer.read([request.product_id])
        (stored,) = found.stored
        state = freshness(stored, request.min_version)
        _count([state])
        if state == tags_pb2.FRESHNESS_UNKNOWN:
            message = f"product {request.product_id!r} was never received or is deleted; publish a product event for it"
            raise CallError(grpc.StatusCode.NOT_FOUND, message)
        return _tags_or_id(product, stored, state, request.filter) + wire.lookup_fields(state, found.as_of_ms)

    async def batch_get_product_tags(self, request: tags_pb2.BatchGetProductTagsRequest) -> bytes:
        """The tags of many products, in the order of the request."""
        products = check_batch(request, self._max_ids)
        self._popular.count(request.product_ids)
        found = await self._coalescer.read(request.product_ids)
        states = [freshness(stored) for stored in found.stored]
        _count(states)
        lookups = {state: wire.lookup_fields(state, found.as_of_ms) for state in set(states)}
        return wire.batch(
            (_tags_or_id(product, stored, state, request.filter), lookups[state])
            for product, stored, state in zip(products, found.stored, states, strict=True)
        )


def _tags_or_id(product: bytes, stored: Stored, state: Freshness, tag_filter: tags_pb2.TagFilter) -> bytes:
    if state not in _WITH_TAGS:
        return wire.id_field(product)
    return stored.payload if is_empty(tag_filter) else narrow_stored(stored.payload, tag_filter)


def _count(states: Iterable[Freshness]) -> None:
    for state, count in Counter(states).items():
        metrics.LOOKUPS.labels(_STATES[state]).inc(count)
