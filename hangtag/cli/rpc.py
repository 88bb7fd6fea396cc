"""A gRPC client with a deadline, whose errors say what to start or change."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Self

import grpc

from hangtag.cli.channel import metadata_of, open_channel
from hangtag.cli.errors import CommandError
from hangtag.cli.filter_words import filter_message
from hangtag.client.status import details_of
from hangtag.settings import ClientSettings
from hangtag.v1 import tags_pb2, tags_pb2_grpc

IDS_PER_CALL = 1_000
TEXTS_PER_CALL = 100


class TagClient:
    """A connection to one server, used as a context manager. Thread-safe.

    Raises:
        SettingsError: a file for TLS is missing or cannot be used.
    """

    def __init__(self, address: str, settings: ClientSettings, timeout_s: float = 5) -> None:
        self._address = address
        self._settings = settings
        self._timeout_s = timeout_s
        self._metadata = metadata_of(settings)
        self._channel = open_channel(address, settings)
        self._stub = tags_pb2_grpc.TagServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def look_up(
        self, product_ids: Iterable[str], tag_filter: tags_pb2.TagFilter | None = None
    ) -> list[tags_pb2.GetProductTagsResponse]:
        """The tags of each product, in order. Any number of ids: they are split over several calls.

        Raises:
            CommandError: the server cannot be reached, did not reply in time, or returned an error.
        """
        remaining = iter(product_ids)
        found: list[tags_pb2.GetProductTagsResponse] = []
        while ids := list(islice(remaining, IDS_PER_CALL)):
            request = tags_pb2.BatchGetProductTagsRequest(product_ids=ids, filter=tag_filter)
            found.extend(self._call(self._stub.BatchGetProductTags, request).products)
        return found

    def wait_for(
        self, product_id: str, version: int, tag_filter: tags_pb2.TagFilter | None = None
    ) -> tags_pb2.GetProductTagsResponse:
        """The tags of a product once those of this version, or of a newer one, are stored; at the end of the time, any.

        Raises:
            CommandError: as `look_up`; the product is not known, or is deleted.
        """
        request = tags_pb2.GetProductTagsRequest(product_id=product_id, wait_for_version=version, filter=tag_filter)
        found: tags_pb2.GetProductTagsResponse = self._call(self._stub.GetProductTags, request)
        return found

    def suggest(
        self,
        text: str,
        description: str = "",
        merchant_category: str = "",
        tag_filter: tags_pb2.TagFilter | None = None,
    ) -> tags_pb2.SuggestTagsResponse:
        """The tags of a text. Raises the same errors as `look_up`."""
        request = tags_pb2.SuggestTagsRequest(
            text=text, description=description, merchant_category=merchant_category, filter=tag_filter
        )
        answer: tags_pb2.SuggestTagsResponse = self._call(self._stub.SuggestTags, request)
        return answer

    def suggest_all(
        self, texts: Sequence[str], tag_filter: tags_pb2.TagFilter | None = None
    ) -> Iterator[list[tags_pb2.SuggestTagsResponse]]:
        """The tags of each text, in order: the answers of one call after the other. Raises the same errors."""
        for begin in range(0, len(texts), TEXTS_PER_CALL):
            some = texts[begin : begin + TEXTS_PER_CALL]
            requests = (tags_pb2.SuggestTagsRequest(text=text, filter=tag_filter) for text in some)
            try:
                answer = self._call(self._stub.BatchSuggestTags, tags_pb2.BatchSuggestTagsRequest(texts=requests))
            except CommandError as error:
                if len(texts) <= TEXTS_PER_CALL:
                    raise
                msg = f"texts {begin + 1} to {begin + len(some)}: {error}"
                raise CommandError(msg) from error
            yield list(answer.suggestions)

    def find(self, request: tags_pb2.FindProductsRequest) -> tags_pb2.FindProductsResponse:
        """A page of products.

        Raises:
            CommandError: as `look_up`; a filter cannot be read, which the message shows; there is no index.
        """
        found: tags_pb2.FindProductsResponse = self._call(self._stub.FindProducts, request)
        return found

    def list_tags(self, facets: Sequence[str]) -> tags_pb2.ListTagsResponse:
        """The tags that there are. Raises the same errors as `find`."""
        found: tags_pb2.ListTagsResponse = self._call(self._stub.ListTags, tags_pb2.ListTagsRequest(facets=facets))
        return found

    def clarify(self, request: tags_pb2.ClarifyRequest) -> tags_pb2.ClarifyResponse:
        """The next question. Raises the same errors as `find`."""
        found: tags_pb2.ClarifyResponse = self._call(self._stub.Clarify, request)
        return found

    def similar(self, request: tags_pb2.SimilarProductsRequest) -> tags_pb2.SimilarProductsResponse:
        """Products that are like one. Raises the same errors as `find`."""
        found: tags_pb2.SimilarProductsResponse = self._call(self._stub.SimilarProducts, request)
        return found

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise CommandError(self._message_of(error, request)) from error

    def _message_of(self, error: Any, request: Any) -> str:
        details = details_of(error.trailing_metadata())
        if details.reason == "INVALID_FILTER":
            return filter_message(error.details(), request.filter, details.metadata)
        if details.reason == "INDEX_UNAVAILABLE":
            return self._no_index(error)
        return self._what_to_do(error)

    def _no_index(self, error: Any) -> str:
        return (
            f"the server at {self._address}: {error.details()} (`hangtag index serve` starts the index; `hangtag demo` "
            "and `hangtag up` start it too)"
        )

    def _what_to_do(self, error: Any) -> str:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE and (hint := self._tls_hint(details)):
            return f"the server at {self._address} cannot be talked to: {hint}"
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return f"the server at {self._address} denies access: {details} (set HANGTAG_CLIENT__TOKEN_FILE)"
        if code is grpc.StatusCode.UNAVAILABLE and "connect" in details:
            return (
                f"no server at {self._address}: start everything with `hangtag demo` or only the server with "
                "`hangtag serve`, or choose another one with --server host:port"
            )
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"the server at {self._address} did not reply within {self._timeout_s:g} s; try --timeout 30"
        return f"the server at {self._address} returned {code.name}: {details}"

    def _tls_hint(self, details: str) -> str:
        if self._settings.tls and "handshake" in details.lower():
            return (
                "the TLS handshake failed; check HANGTAG_CLIENT__CA_FILE, that the server speaks TLS, and "
                f"HANGTAG_CLIENT__CERT_FILE if it asks for a certificate ({details})"
            )
        if not self._settings.tls and ("closed" in details.lower() or "reset" in details.lower()):
            return f"it closed the connection; if it speaks TLS, set HANGTAG_CLIENT__TLS=true ({details})"
        return ""
