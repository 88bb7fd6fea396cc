"""The logic of searches, as steps."""

from collections.abc import Mapping, Sequence

from hangtag.client.attempts import Attempts
from hangtag.client.found import Found, Profile, Question, SimilarProduct
from hangtag.client.query import Query, boosts_of
from hangtag.client.reading_found import found_of, profile_of, question_of, similar_of, tag_list_of
from hangtag.client.requests import check_list
from hangtag.client.steps import Steps
from hangtag.client.tag_list import TagList
from hangtag.v1 import tags_pb2


class SearchFlow:
    """The searches of a client. Times are in seconds."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    def find(
        self,
        text: str,
        tag_filter: str,
        query: Query,
        base: Query,
        boosts: Mapping[str, float],
        counts: Sequence[str],
        max_values: int,
        page_size: int,
        page_token: str,
        timeout_s: float,
    ) -> Steps[Found]:
        """A page of products."""
        check_list("counts", counts)
        request = tags_pb2.FindProductsRequest(
            query=query.message(),
            base=base.message(),
            filter=tag_filter,
            text=text,
            boosts=boosts_of(boosts),
            page_size=page_size,
            page_token=page_token,
            count_facets=counts,
            max_values=max_values,
        )
        return found_of((yield from self._attempts.call("FindProducts", request, timeout_s)))

    def tags(self, facets: Sequence[str], timeout_s: float) -> Steps[TagList]:
        """The tags that there are."""
        check_list("facets", facets)
        request = tags_pb2.ListTagsRequest(facets=facets)
        return tag_list_of((yield from self._attempts.call("ListTags", request, timeout_s)))

    def clarify(
        self,
        text: str,
        query: Query,
        base: Query,
        asked_facets: Sequence[str],
        facets: Sequence[str],
        max_values: int,
        language: str,
        timeout_s: float,
    ) -> Steps[Question]:
        """The next question."""
        check_list("asked_facets", asked_facets)
        check_list("facets", facets)
        request = tags_pb2.ClarifyRequest(
            text=text,
            query=query.message(),
            base=base.message(),
            asked_facets=asked_facets,
            max_values=max_values,
            language=language,
            facets=facets,
        )
        return question_of((yield from self._attempts.call("Clarify", request, timeout_s)))

    def similar(self, product_id: str, base: Query, page_size: int, timeout_s: float) -> Steps[list[SimilarProduct]]:
        """Products that are like one."""
        request = tags_pb2.SimilarProductsRequest(product_id=product_id, page_size=page_size, base=base.message())
        return similar_of((yield from self._attempts.call("SimilarProducts", request, timeout_s)))

    def profile(
        self, product_ids: Sequence[str], max_tags: int, without_facets: Sequence[str], timeout_s: float
    ) -> Steps[Profile]:
        """What products have in common."""
        check_list("product_ids", product_ids)
        check_list("without_facets", without_facets)
        request = tags_pb2.TagProfileRequest(product_ids=product_ids, max_tags=max_tags, without_facets=without_facets)
        return profile_of((yield from self._attempts.call("TagProfile", request, timeout_s)))
