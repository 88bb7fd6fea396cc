"""Ask a Hangtag server for the tags of a product, and for the tags of a text."""

import grpc

from hangtag.v1.tags_pb2 import GetProductTagsRequest, SuggestTagsRequest
from hangtag.v1.tags_pb2_grpc import TagServiceStub

with grpc.insecure_channel("127.0.0.1:50051") as channel:
    service = TagServiceStub(channel)
    product = service.GetProductTags(GetProductTagsRequest(product_id="demo-0020"), timeout=0.5)
    print([f"{tag.facet}:{tag.value} {tag.confidence:.2f}" for tag in product.tags])
    answer = service.SuggestTags(SuggestTagsRequest(text="do you have black boots for men?"), timeout=1)
    print([f"{tag.facet}:{tag.value} {tag.confidence:.2f}" for tag in (*answer.tags, *answer.review)])
