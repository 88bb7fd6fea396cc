"""`ListTags`: how many products have each tag."""

from hangtag.index.view import View
from hangtag.tags.tag import value_of
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2


def list_tags(view: View, request: tags_pb2.ListTagsRequest) -> tags_pb2.ListTagsResponse:
    """The tags that products have, with the numbers of products; labels and rules are the schema's to say."""
    reply = tags_pb2.ListTagsResponse()
    for facet in request.facets or view.facets:
        listed = reply.facets.add(facet=facet)
        for tag in view.values(facet):
            in_auto = view.count(tag)
            listed.tags.add(
                value=value_of(tag), products=in_auto, review_products=view.count(tag, Band.REVIEW) - in_auto
            )
    return reply
