"""The client for threads."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from hangtag.client.base import BaseClient
from hangtag.client.errors import CallError, closed_meanwhile, no_answer
from hangtag.client.found import Found, Profile, Question, SimilarProduct
from hangtag.client.gathering import Wanted
from hangtag.client.hedge import send_hedged
from hangtag.client.lanes import Lanes
from hangtag.client.query import EVERYTHING, NO_BOOSTS, Query
from hangtag.client.requests import TagFilter
from hangtag.client.results import ProductTags, Suggestion, TextKind
from hangtag.client.steps import Join, Pause, Send, Steps
from hangtag.client.tag_list import TagList

_Result = TypeVar("_Result")


class Client(BaseClient):
    """Looks up tags. Any number of threads may use one client; use it in a `with` block, or close it."""

    _module = grpc

    def get(
        self,
        product_id: str,
        *,
        min_version: int = 0,
        max_age_ms: float | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> ProductTags:
        """The tags of a product. A product that is not known has the freshness UNKNOWN and no tags.

        Args:
            product_id: the shop's id.
            min_version: the newest version that you have heard of: tags of an older one are STALE. The answer comes
                from no cache then.
            max_age_ms: how old an answer of the client's cache may be; None: as the client was made.
            tag_filter: which tags are returned; None: all.
            timeout_s: how long the call may take, in seconds; None: as the client was made.

        Raises:
            CallError: the call failed; its subclasses and the message say why, and what to do.
            UsageError: the client is closed, or was used before this process was forked.
        """
        return self._run(self._flow.get(product_id, min_version, max_age_ms, tag_filter, timeout_s))

    def get_many(
        self,
        product_ids: Sequence[str],
        *,
        min_versions: Sequence[int] = (),
        max_age_ms: float | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> Sequence[ProductTags]:
        """The tags of products, in the order of the ids; 1,000 are asked for in one call. Otherwise as `get`.

        `min_versions` has one for each id (0: none), or is empty. What is returned is like a list; its items are made
        when they are read.
        """
        return self._run(self._flow.get_many(product_ids, min_versions, max_age_ms, tag_filter, timeout_s))

    def wait_for(
        self, product_id: str, version: int, *, tag_filter: TagFilter | None = None, timeout_s: float = 30
    ) -> ProductTags:
        """The tags of a product, as soon as those of this version, or of a newer one, are stored.

        At the end of `timeout_s`, and as soon as the version is refused, it returns what there is: look at its
        `version`. Raises the same errors as `get`.
        """
        return self._run(self._flow.wait_for(product_id, version, tag_filter, timeout_s))

    def suggest(
        self,
        text: str,
        *,
        description: str = "",
        merchant_category: str = "",
        kind: TextKind | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> Suggestion:
        """The tags of a text: a query, an utterance, or a product that is not listed yet. Nothing is stored.

        `kind` is PRODUCT if there is a description or a category, else QUERY, unless it is given. Raises the same
        errors as `get`.
        """
        steps = self._flow.suggest(text, description, merchant_category, kind, tag_filter, timeout_s)
        return self._run(steps)

    def suggest_many(
        self,
        texts: Sequence[str],
        *,
        kind: TextKind | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> list[Suggestion]:
        """The tags of texts, in their order; 100 are asked for in one call. Otherwise as `suggest`."""
        return self._run(self._flow.suggest_many(texts, kind, tag_filter, timeout_s))

    def find(
        self,
        text: str = "",
        *,
        tag_filter: str = "",
        query: Query = EVERYTHING,
        base: Query = EVERYTHING,
        boosts: Mapping[str, float] = NO_BOOSTS,
        counts: Sequence[str] = (),
        max_values: int = 0,
        page_size: int = 0,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> Found:
        """Products by their tags, best first: for a text, a filter, a query, or several of them together.

        Args:
            text: a query in words. Tags that its words name are filters, inferred ones rank, unwanted ones are left
                out.
            tag_filter: as a person types it: `class:[boots,shoes] AND color:red NOT audience:men`.
            query: what the person chose; counts of a facet ignore its filters of this facet.
            base: what always applies, such as the section of a shop; counts never ignore it.
            boosts: weights of tags, written `facet:value`, in the order of the products.
            counts: facets whose values are counted; `["*"]` for all.
            max_values: most values of each facet; 0: 50.
            page_size: products of a page; 0: 20.
            page_token: `next_page_token` of the page before.
            timeout_s: how long the call may take, in seconds; None: as the client was made.

        Raises:
            InvalidRequestError: a tag or a filter is wrong; `metadata["position"]` is the character of a filter.
            UnavailableError: the index cannot be reached or is not complete yet.
            CallError: the call failed; its subclasses and the message say why, and what to do.
        """
        time_s = self._flow.timeout(timeout_s)
        return self._run(
            self._flow.searches.find(
                text, tag_filter, query, base, boosts, counts, max_values, page_size, page_token, time_s
            )
        )

    def tags(self, facets: Sequence[str] = (), *, timeout_s: float | None = None) -> TagList:
        """The facets and tags that there are, with labels and counts of products. Raises the same errors as `get`.

        If the index cannot be reached, the counts are None.
        """
        return self._run(self._flow.searches.tags(facets, self._flow.timeout(timeout_s)))

    def clarify(
        self,
        text: str = "",
        *,
        query: Query = EVERYTHING,
        base: Query = EVERYTHING,
        asked_facets: Sequence[str] = (),
        facets: Sequence[str] = (),
        max_values: int = 0,
        language: str = "",
        timeout_s: float | None = None,
    ) -> Question:
        """The question whose answer divides the products that are left best, or why it is better to show them.

        `query` is what is known already, answers to earlier questions included; `asked_facets` are not asked about
        again. Raises the same errors as `find`.
        """
        time_s = self._flow.timeout(timeout_s)
        return self._run(
            self._flow.searches.clarify(text, query, base, asked_facets, facets, max_values, language, time_s)
        )

    def similar(
        self, product_id: str, *, base: Query = EVERYTHING, page_size: int = 0, timeout_s: float | None = None
    ) -> list[SimilarProduct]:
        """Products that share tags with a product; rare tags count more.

        Raises:
            NotFoundError: the index does not have the product.
            CallError: as `find`.
        """
        time_s = self._flow.timeout(timeout_s)
        return self._run(self._flow.searches.similar(product_id, base, page_size, time_s))

    def profile(
        self,
        product_ids: Sequence[str],
        *,
        max_tags: int = 0,
        without_facets: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Profile:
        """The tags that stand out among up to 1,000 products, for example those that somebody looked at.

        Nothing is stored. Raises the same errors as `find`.
        """
        time_s = self._flow.timeout(timeout_s)
        return self._run(self._flow.searches.profile(product_ids, max_tags, without_facets, time_s))

    def close(self) -> None:
        """Close the connections. Calls that are running end with `UsageError`."""
        self._is_closed = True
        self._closing.set()
        self._flow.close()
        self._lanes.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set_up(self) -> None:
        self._closing = threading.Event()
        self._lanes = Lanes(lambda wanted: self._run(self._flow.together(wanted)))

    def _run(self, steps: Steps[_Result]) -> _Result:
        self._check()
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._send(step) if isinstance(step, Send) else self._pass_time(step)
                except (grpc.RpcError, CallError) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            result: _Result = end.value
            return result

    def _pass_time(self, step: Pause | Join) -> Any:
        if isinstance(step, Join):
            return self._join(step)
        if self._closing.wait(step.seconds):
            raise closed_meanwhile()
        return None

    def _send(self, send: Send) -> Any:
        try:
            if send.other is not None and self._options.hedge_after_s is not None:
                return send_hedged(send, self._options.hedge_after_s)
            method = send.server.methods[send.method]
            return method(send.request, timeout=send.timeout_s, metadata=send.metadata)
        except (grpc.RpcError, grpc.FutureCancelledError, ValueError) as error:
            # gRPC raises ValueError for calls on a channel that is closed.
            if self._is_closed:
                raise closed_meanwhile() from error
            raise

    def _join(self, join: Join) -> Any:
        wanted = Wanted(join.request, join.deadline, Future())
        self._lanes.put(wanted)
        try:
            return wanted.future.result(join.deadline - time.monotonic())
        except CallError:
            raise
        except TimeoutError:
            wanted.future.cancel()
            raise no_answer(join.timeout_s) from None
