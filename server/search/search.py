"""The methods that search: their parts, and how they run."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from hangtag.server.calls import Method
from hangtag.server.health import HealthServicer, set_status
from hangtag.server.search.checks import MAX_PROFILE_IDS, check_profile, check_similar
from hangtag.server.search.clarify import Clarify
from hangtag.server.search.find import Find
from hangtag.server.search.forward import Forward
from hangtag.server.search.link import IndexLink
from hangtag.server.search.question import Questions
from hangtag.server.search.tag_list import TagList, tag_name
from hangtag.server.search.texts import Texts
from hangtag.server.search.watch import IndexWatch
from hangtag.server.suggester import Suggester
from hangtag.settings import ServerSettings
from hangtag.telemetry.clock import Clock
from hangtag.v1 import tags_pb2

if TYPE_CHECKING:
    # Importing it loads numpy.
    from hangtag.bundle import Bundle

# The name of searches in `grpc.health.v1`.
SEARCH_SERVICE = "hangtag.v1.Search"
_IDS_PER_WORK = 100


class Search:
    """`FindProducts`, `ListTags`, `Clarify`, `SimilarProducts` and `TagProfile`. `run` must be running.

    `bundle` returns the bundle in use. While the index is away, searches end with UNAVAILABLE and nothing else changes.
    """

    def __init__(
        self,
        settings: ServerSettings,
        suggester: Suggester,
        bundle: "Callable[[], Bundle]",
        servicer: HealthServicer,
        clock: Clock,
    ) -> None:
        self._bundle = bundle
        self._link = IndexLink(settings)
        self._watch = IndexWatch(self._link, lambda is_up: set_status(servicer, SEARCH_SERVICE, is_up=is_up))
        self._forward = Forward(self._link, settings.max_search_work, clock)
        texts = Texts(suggester, bundle)
        self._find = Find(texts, self._forward)
        self._clarify = Clarify(texts, self._forward, lambda: bundle().schema, Questions.load(settings.questions).text)
        self._tag_list = TagList(bundle, self._forward, clock)

    def methods(self) -> tuple[Method, ...]:
        """The methods, for the event loop."""
        return (
            Method("FindProducts", tags_pb2.FindProductsRequest, self._find, lambda _: 1),
            Method("ListTags", tags_pb2.ListTagsRequest, self._tag_list, lambda _: 1),
            Method("Clarify", tags_pb2.ClarifyRequest, self._clarify, lambda _: 1),
            Method("SimilarProducts", tags_pb2.SimilarProductsRequest, self._similar, lambda _: 1),
            Method(
                "TagProfile",
                tags_pb2.TagProfileRequest,
                self._profile,
                # Beyond it the request is refused.
                lambda request: min(len(request.product_ids), MAX_PROFILE_IDS),
            ),
        )

    async def run(self) -> None:
        """Watch the index until cancelled."""
        await self._watch.run()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def _similar(self, request: tags_pb2.SimilarProductsRequest, deadline_s: float) -> bytes:
        check_similar(request)
        return await self._forward("SimilarProducts", request, 1, deadline_s)

    async def _profile(self, request: tags_pb2.TagProfileRequest, deadline_s: float) -> bytes:
        check_profile(request)
        # The index does not know the schema.
        schema = self._bundle().schema
        request.without_facets.extend(facet.name for facet in schema.facets if facet.name in schema.sensitive)
        request.without_tags.extend(map(tag_name, sorted(schema.sensitive_tags)))
        work = 1 + len(request.product_ids) // _IDS_PER_WORK
        return await self._forward("TagProfile", request, work, deadline_s)
