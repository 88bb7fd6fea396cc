"""`TagProfile`: what products have in common."""

from hangtag.index.common import profile_of
from hangtag.index.errors import QueryError
from hangtag.index.find import limited
from hangtag.index.view import View
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

MAX_IDS = 1_000
MAX_PROFILE_TAGS = 200
MAX_WITHOUT = 256
# More than a caller may send: the server adds the sensitive tags.
MAX_WITHOUT_TAGS = 20_000
_TAGS = 20


def profile(view: View, request: tags_pb2.TagProfileRequest) -> tags_pb2.TagProfileResponse:
    """The answer to a request; everything but `index` is set. Only AUTO tags count. Nothing about the request is kept.

    Raises:
        QueryError: a field has a value that it cannot have.
    """
    if not 1 <= len(request.product_ids) <= MAX_IDS:
        msg = f"product_ids has {len(request.product_ids)} ids, it must have 1 to {MAX_IDS}"
        raise QueryError(msg)
    if len(request.without_facets) > MAX_WITHOUT:
        msg = f"without_facets has {len(request.without_facets)} facets, it must have at most {MAX_WITHOUT}"
        raise QueryError(msg)
    if len(request.without_tags) > MAX_WITHOUT_TAGS:
        msg = f"without_tags has {len(request.without_tags)} tags, it must have at most {MAX_WITHOUT_TAGS}"
        raise QueryError(msg)
    size = limited(request.max_tags, 1, MAX_PROFILE_TAGS, _TAGS, "max_tags")
    numbers = [number for product_id in request.product_ids if (number := view.number_of(product_id)) is not None]
    products = [[scored.tag for scored in view.tags_of(number) if scored.band is Band.AUTO] for number in numbers]
    without = {*request.without_facets, *(f"{tag.facet}:{tag.value}" for tag in request.without_tags)}
    found = profile_of(products, view.count, len(view.products), without, size)
    return tags_pb2.TagProfileResponse(
        tags=[
            tags_pb2.ProfileTag(
                facet=facet_of(each.tag), value=value_of(each.tag), share=each.share, lift=each.lift, weight=each.weight
            )
            for each in found
        ],
        found=len(numbers),
        not_found=len(request.product_ids) - len(numbers),
    )
