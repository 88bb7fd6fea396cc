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
from hangtag.client.found import (
    Choice,
    ClarifyEnd,
    FacetCounts,
    Found,
    FoundProduct,
    IndexState,
    Profile,
    ProfileTag,
    Question,
    Relaxation,
    SharedTag,
    SimilarProduct,
    TagUse,
    UnderstoodText,
    UsedTag,
)
from hangtag.client.query import Query
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
from hangtag.client.tag_list import FacetInfo, TagInfo, TagList
from hangtag.client.tls import Tls

__all__ = [
    "AsyncClient",
    "Band",
    "CallError",
    "Choice",
    "ClarifyEnd",
    "Client",
    "DeadlineError",
    "Decision",
    "FacetCounts",
    "FacetInfo",
    "Found",
    "FoundProduct",
    "Freshness",
    "FreshnessReason",
    "HangtagError",
    "IndexState",
    "InvalidRequestError",
    "NoTagsReason",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "ProductTags",
    "Profile",
    "ProfileTag",
    "Query",
    "Question",
    "Relaxation",
    "Retries",
    "ServerFaultError",
    "SettingError",
    "SharedTag",
    "SimilarProduct",
    "Source",
    "Span",
    "SpanKind",
    "Suggestion",
    "Tag",
    "TagFilter",
    "TagInfo",
    "TagList",
    "TagName",
    "TagUse",
    "TextKind",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "UnderstoodText",
    "UnsupportedError",
    "UsageError",
    "UsedTag",
    "Verdict",
]
