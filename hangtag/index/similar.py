"""`SimilarProducts`: products that share tags with one."""

from pyroaring import BitMap

from hangtag.index.errors import QueryError, UnknownProductError
from hangtag.index.find import MAX_PAGE, limited
from hangtag.index.overlap import Tagged, similar_products, weight_of
from hangtag.index.query import Query
from hangtag.index.view import View
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

_PAGE = 20


def similar(view: View, request: tags_pb2.SimilarProductsRequest) -> tags_pb2.SimilarProductsResponse:
    """The answer to a request; everything but `index` is set. Only AUTO tags are compared.

    Raises:
        QueryError: a field has a value that it cannot have.
        UnknownProductError: the index does not have the product.
    """
    if not request.product_id:
        msg = "product_id must not be empty"
        raise QueryError(msg)
    base = Query.of(request.base, "base")
    size = limited(request.page_size, 1, MAX_PAGE, _PAGE, "page_size")
    number = view.number_of(request.product_id)
    if number is None:
        msg = "the index does not have this product: it was never tagged, or is deleted"
        raise UnknownProductError(msg)

    products = len(view.products)
    own = [Tagged(tag, view.postings(tag)) for tag in _auto_tags(view, number)]
    found = similar_products(
        own,
        products,
        view.hits(base) - BitMap([number], copy_on_write=True),
        lambda numbers: view.total_weights(numbers, lambda having: weight_of(having, products)),
        size,
    )
    weights = {each.tag: weight_of(len(each.products), products) for each in own}
    reply = tags_pb2.SimilarProductsResponse()
    for each, product_id in zip(found, view.ids(each.number for each in found), strict=True):
        product = reply.products.add(product_id=product_id, version=view.version_of(each.number), score=each.score)
        shared = [tag for tag in _auto_tags(view, each.number) if weights.get(tag)]
        for tag in sorted(shared, key=lambda tag: (-weights[tag], tag)):
            product.shared.add(facet=facet_of(tag), value=value_of(tag), weight=weights[tag])
    return reply


def _auto_tags(view: View, number: int) -> list[str]:
    return [scored.tag for scored in view.tags_of(number) if scored.band is Band.AUTO]
