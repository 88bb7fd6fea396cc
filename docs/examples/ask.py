"""Ask a Hangtag server for the tags of a product, and for the tags of a text."""

from hangtag.client import Client

with Client("127.0.0.1:50051") as tags:
    product = tags.get("demo-0020")
    print(product.freshness, [f"{tag} {tag.confidence:.2f}" for tag in product.tags])
    answer = tags.suggest("do you have black boots for men?")
    print([f"{tag} {tag.confidence:.2f}" for tag in (*answer.tags, *answer.review)])
