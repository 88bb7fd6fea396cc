"""The logic of every call, as steps: which server, when to send again, what to keep. It waits for nothing itself."""

import time
from collections.abc import Sequence
from typing import Any

from hangtag.client import requests
from hangtag.client.attempts import Attempts
from hangtag.client.cache import Cache
from hangtag.client.errors import (
    CallError,
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    SettingError,
)
from hangtag.client.gathering import Wanted
from hangtag.client.options import Options, check_timeout
from hangtag.client.products import Products
from hangtag.client.reading import product_of, suggestion_of, unknown_product
from hangtag.client.requests import TagFilter
from hangtag.client.results import FreshnessReason, ProductTags, Suggestion, TextKind
from hangtag.client.search_flow import SearchFlow
from hangtag.client.steps import Join, Pause, Steps
from hangtag.v1 import tags_pb2

# A wait that a server ended early is asked for again, but not more often than this.
_WAIT_AGAIN_S = 0.5
# What is left of the time of a wait for one more look-up.
_REST_OF_WAIT_S = 1.0
_SHARE_OF_WAIT = 0.5


class Flow:
    """The calls of a client. `module`, `grpc` or `grpc.aio`, opens the channels at the first call."""

    def __init__(self, options: Options, module: Any) -> None:
        self._options = options
        self._attempts = Attempts(options, module)
        self.searches = SearchFlow(self._attempts)
        self._cache = Cache(options.cache_entries)
        self._keeps = False

    def get(
        self,
        product_id: str,
        min_version: int,
        max_age_ms: float | None,
        tag_filter: TagFilter | None,
        timeout_s: float | None,
    ) -> Steps[ProductTags]:
        """One product: from the cache, together with others, or by itself."""
        asked_at = time.monotonic()
        request = requests.get_request(product_id, min_version, tag_filter)
        oldest_ms = self._oldest_ms(max_age_ms)
        if oldest_ms and not min_version and (found := self._cache.get(_key(product_id, tag_filter), oldest_ms)):
            return found
        timeout_s = self.timeout(timeout_s)
        if self._options.gather_gets:
            product = product_of((yield Join(request, asked_at + timeout_s, timeout_s)))
        else:
            product = yield from self._one(request, timeout_s, hedges=True)
        if self._keeps:
            self._cache.put(_key(product_id, tag_filter), product, asked_at)
        return product

    def get_many(
        self,
        product_ids: Sequence[str],
        min_versions: Sequence[int],
        max_age_ms: float | None,
        tag_filter: TagFilter | None,
        timeout_s: float | None,
    ) -> Steps[Sequence[ProductTags]]:
        """Products in the order of the ids: those of the cache, and the others in as few calls as possible."""
        requests.check_list("product_ids", product_ids)
        asked_at = time.monotonic()
        deadline = asked_at + self.timeout(timeout_s)
        _, of_filter = _key("", tag_filter)
        oldest_ms = self._oldest_ms(max_age_ms)
        versions = list(min_versions) or [0] * len(product_ids)
        if len(versions) != len(product_ids):
            msg = f"min_versions has {len(versions)} items for {len(product_ids)} product_ids; give one for each"
            raise SettingError(msg)
        found: list[Any] = [
            self._cache.get((each, of_filter), oldest_ms) if oldest_ms and not version else None
            for each, version in zip(product_ids, versions, strict=True)
        ]
        missing = [at for at, each in enumerate(found) if each is None]
        for some in requests.parts(missing, requests.IDS_PER_CALL):
            request = tags_pb2.BatchGetProductTagsRequest(
                product_ids=[product_ids[at] for at in some],
                min_versions=[versions[at] for at in some] if min_versions else (),
                filter=None if tag_filter is None else tag_filter.message(),
            )
            left_s = deadline - time.monotonic()
            reply = yield from self._attempts.call("BatchGetProductTags", request, left_s, hedges=True)
            for at, message in zip(some, reply.products, strict=True):
                if self._keeps:
                    found[at] = product_of(message)
                    self._cache.put((message.product_id, of_filter), found[at], asked_at)
                else:
                    found[at] = message
        return Products(found)

    def wait_for(
        self, product_id: str, version: int, tag_filter: TagFilter | None, timeout_s: float
    ) -> Steps[ProductTags]:
        """A product once this version is stored or refused; at the end of the time, what there is."""
        timeout_s = self.timeout(timeout_s)
        deadline = time.monotonic() + timeout_s
        # The server ends a wait only milliseconds before its deadline. If that is too late, there is time to look up.
        waits_until = deadline - min(_REST_OF_WAIT_S, timeout_s * _SHARE_OF_WAIT)
        request = requests.get_request(product_id, 0, tag_filter)
        request.wait_for_version = version
        while True:
            asked_at = time.monotonic()
            try:
                product = yield from self._one(request, waits_until - asked_at)
            except DeadlineError:
                request = requests.get_request(product_id, version, tag_filter)
                return (yield from self._one(request, deadline - time.monotonic()))
            # NOT_FOUND does not say which version was refused.
            is_refused = (
                product.freshness_reason is FreshnessReason.VERSION_REFUSED and not 0 < product.known_version < version
            )
            again_at = max(time.monotonic(), asked_at + _WAIT_AGAIN_S)
            # The server also ends a wait after its own limit, and when it stops.
            if product.version >= version or is_refused or again_at + _WAIT_AGAIN_S > waits_until:
                return product
            yield Pause(again_at - time.monotonic())

    def suggest(
        self,
        text: str,
        description: str,
        merchant_category: str,
        kind: TextKind | None,
        tag_filter: TagFilter | None,
        timeout_s: float | None,
    ) -> Steps[Suggestion]:
        """The tags of one text."""
        request = requests.suggest_request(text, description, merchant_category, kind, tag_filter)
        reply = yield from self._attempts.call("SuggestTags", request, self.timeout(timeout_s))
        return suggestion_of(reply)

    def suggest_many(
        self, texts: Sequence[str], kind: TextKind | None, tag_filter: TagFilter | None, timeout_s: float | None
    ) -> Steps[list[Suggestion]]:
        """The tags of texts, in their order, 100 in a call."""
        requests.check_list("texts", texts)
        deadline = time.monotonic() + self.timeout(timeout_s)
        found: list[Suggestion] = []
        for some in requests.parts(texts, requests.TEXTS_PER_CALL):
            request = tags_pb2.BatchSuggestTagsRequest(
                texts=[requests.suggest_request(text, "", "", kind, tag_filter) for text in some]
            )
            reply = yield from self._attempts.call("BatchSuggestTags", request, deadline - time.monotonic())
            found += [suggestion_of(each) for each in reply.suggestions]
        return found

    def together(self, wanted: Sequence[Wanted]) -> Steps[None]:
        """Ask for several products in one call, and give each caller its own message or error."""
        request = tags_pb2.BatchGetProductTagsRequest(
            product_ids=[each.request.product_id for each in wanted],
            min_versions=[each.request.min_version for each in wanted],
            filter=wanted[0].request.filter if wanted[0].request.HasField("filter") else None,
        )
        timeout_s = max(each.deadline for each in wanted) - time.monotonic()
        try:
            reply = yield from self._attempts.call("BatchGetProductTags", request, timeout_s, hedges=True)
        except InvalidRequestError as error:
            if len(wanted) == 1:
                wanted[0].fail(error)
                return
            # One of them is wrong: it must not fail the others.
            for each in wanted:
                yield from self.together([each])
        except CallError as error:
            for each in wanted:
                each.fail(error.copy())
        else:
            for each, message in zip(wanted, reply.products, strict=True):
                each.answer(message)

    def close(self) -> list[Any]:
        """Close the channels, if there are any: what each returns, which an asyncio client waits for."""
        return self._attempts.close()

    def _one(
        self, request: tags_pb2.GetProductTagsRequest, timeout_s: float, *, hedges: bool = False
    ) -> Steps[ProductTags]:
        try:
            return product_of((yield from self._attempts.call("GetProductTags", request, timeout_s, hedges=hedges)))
        except NotFoundError as error:
            return unknown_product(request.product_id, error)

    def timeout(self, timeout_s: float | None) -> float:
        """How long a call may take; None: as the client was made."""
        if timeout_s is None:
            return self._options.timeout_s
        check_timeout(timeout_s)
        return timeout_s

    def _oldest_ms(self, max_age_ms: float | None) -> float:
        """How old an answer of the cache may be; 0: it is not asked. Once it was, answers are kept."""
        if not self._options.cache_entries:
            return 0
        oldest_ms = self._options.max_age_ms if max_age_ms is None else max_age_ms
        self._keeps |= oldest_ms > 0
        return oldest_ms


def _key(product_id: str, tag_filter: TagFilter | None) -> tuple[str, bytes]:
    return product_id, b"" if tag_filter is None else tag_filter.message().SerializeToString(deterministic=True)
