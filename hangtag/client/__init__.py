"""Look up tags in a few lines: `Client` for threads, `AsyncClient` for asyncio. See docs/client.md.

from hangtag.client import Client

with Client("127.0.0.1:50051") as tags:
    product = tags.get("sku-1")
    print(product.freshness, product.facets)
"""

from hangtag.client.async_client import AsyncClient
from hangtag.client.client import Client
from hangtag.client.errors import (
    CallError,
    DeadlineError,
    HangtagError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ServerFaultError,
    SettingError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    UsageError,
)
from hangtag.client.requests import TagFilter
from hangtag.client.results import (
    Band,
    Decision,
    Freshness,
    FreshnessReason,
    NoTagsReason,
    ProductTags,
    Source,
    Span,
    SpanKind,
    Suggestion,
    Tag,
    TagName,
    TextKind,
    Verdict,
)
from hangtag.client.retries import Retries
from hangtag.client.tls import Tls

__all__ = [
    "AsyncClient",
    "Band",
    "CallError",
    "Client",
    "DeadlineError",
    "Decision",
    "Freshness",
    "FreshnessReason",
    "HangtagError",
    "InvalidRequestError",
    "NoTagsReason",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "ProductTags",
    "Retries",
    "ServerFaultError",
    "SettingError",
    "Source",
    "Span",
    "SpanKind",
    "Suggestion",
    "Tag",
    "TagFilter",
    "TagName",
    "TextKind",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "UnsupportedError",
    "UsageError",
    "Verdict",
]
