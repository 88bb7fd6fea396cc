"""Example look-ups: what a search box and a bot would ask once the feed is tagged."""

from collections.abc import Iterable

from rich.console import Console

from hangtag.cli.rpc import TagClient
from hangtag.cli.show import products_table, suggestions_table
from hangtag.v1 import tags_pb2

# From the built-in feed: two to wear, two games, and products of many other kinds.
SHOWN = ("demo-0001", "demo-0020", "demo-0039", "demo-0041", "demo-0031", "demo-0103", "demo-0140")
QUESTIONS = (
    "do you have warm waterproof boots for my daughter?",
    "a relaxing farming game I can play with friends",
)


def show_answers(console: Console, client: TagClient, product_ids: list[str], titles: dict[str, str]) -> list[str]:
    """Print some products of different kinds and two questions, each with its tags; returns the ids of the products."""
    products = some_of_each(client.look_up(_candidates(product_ids)))
    console.print("\nTags in band AUTO can be used as they are; tags in band REVIEW are for a person to check first.")
    console.print("\nA bot asks for products (BatchGetProductTags):")
    console.print(products_table(products, titles))
    console.print("\nA search box asks what a text is about (SuggestTags):")
    console.print(suggestions_table((question, client.suggest(question)) for question in QUESTIONS))
    return [product.product_id for product in products]


def some_of_each(
    products: Iterable[tags_pb2.GetProductTagsResponse], count: int = len(SHOWN)
) -> list[tags_pb2.GetProductTagsResponse]:
    """Up to `count` tagged products: those in SHOWN, then those whose first tag differs from all before."""
    products = list(products)
    chosen = [product for product in products if product.product_id in SHOWN and product.tags]
    kinds = {_kind(product) for product in chosen}
    for product in products:
        if product.tags and _kind(product) not in kinds:
            kinds.add(_kind(product))
            chosen.append(product)
    return chosen[:count]


def _candidates(product_ids: list[str]) -> list[str]:
    known = set(product_ids)
    return list(dict.fromkeys([*(each for each in SHOWN if each in known), *product_ids[:300]]))


def _kind(product: tags_pb2.GetProductTagsResponse) -> tuple[str, str]:
    return product.tags[0].facet, product.tags[0].value
