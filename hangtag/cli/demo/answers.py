"""What a search box and a bot would ask once the feed is tagged."""

from collections.abc import Iterable

from rich.console import Console

from hangtag.cli.rpc import TagClient
from hangtag.cli.show import lookups_table, suggestion_table
from hangtag.v1 import tags_pb2

# Of our own feed: two to wear, two games, and things of many other kinds.
SHOWN = ("demo-0001", "demo-0020", "demo-0039", "demo-0041", "demo-0031", "demo-0103", "demo-0140")
QUESTIONS = (
    "do you have warm waterproof boots for my daughter?",
    "a relaxing farming game I can play with friends",
)


def show_answers(console: Console, client: TagClient, product_ids: list[str], titles: dict[str, str]) -> list[str]:
    """Print some products of different kinds with their tags, and the tags of two questions; return the ids shown."""
    lookups = some_of_each(client.look_up(_candidates(product_ids)))
    console.print("\nA bot asks for products (BatchGetProductTags):")
    console.print(lookups_table(lookups, titles))
    console.print("\nA search box asks what a text is about (SuggestTags):")
    for question in QUESTIONS:
        console.print(suggestion_table(question, client.suggest(question)))
    return [lookup.product_id for lookup in lookups]


def some_of_each(lookups: Iterable[tags_pb2.ProductLookup], count: int = len(SHOWN)) -> list[tags_pb2.ProductLookup]:
    """Up to `count` tagged products: those of our own feed's choice first, then each whose first tag is new."""
    lookups = list(lookups)
    chosen = [lookup for lookup in lookups if lookup.product_id in SHOWN and lookup.tags.tags]
    kinds = {_kind(lookup) for lookup in chosen}
    for lookup in lookups:
        if lookup.tags.tags and _kind(lookup) not in kinds:
            kinds.add(_kind(lookup))
            chosen.append(lookup)
    return chosen[:count]


def _candidates(product_ids: list[str]) -> list[str]:
    known = set(product_ids)
    return list(dict.fromkeys([*(each for each in SHOWN if each in known), *product_ids[:300]]))


def _kind(lookup: tags_pb2.ProductLookup) -> tuple[str, str]:
    return lookup.tags.tags[0].facet, lookup.tags.tags[0].value
