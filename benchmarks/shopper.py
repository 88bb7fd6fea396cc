"""How well questions and similar products work, on labelled products as a catalogue.

    python -m benchmarks.shopper ../shared/data

A simulated shopper looks for one product of the marketplace or of the fashion file and knows its labels. They begin
with nothing, or with the product's segment, answer with the label if it is offered, else with "something else", and
do not know what the product has no label of. They are asked what `Clarify` chooses, or one facet after the other, in
the schema's order or in the reverse one, the five most frequent values first, until ten products are left. "left
after 1" is the mean number of products that are left after one question. A product is lost if it is not among those
left at the end: its tags differ from its labels. Then the same with both files as one catalogue and a shopper who
knows the product's AUTO tags, since no file has labels of all facets.

Then `SimilarProducts`: how many of the first ten with a label have the product's class, beside ten drawn at random.

Tags are those of the bundle in AUTO, in AUTO or REVIEW, or the labels themselves. Prints tables, then JSON.
"""

import argparse
import json
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.retrieval.catalogue import Product, read_catalogue
from benchmarks.runs import table
from hangtag.index import Change, Index, Query, View
from hangtag.index.clarify import next_question
from hangtag.index.similar import similar
from hangtag.records.tagged import TaggedProduct, decode_tags, encode_tags
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

# The facets that the products of each file have labels of, in the schema's order.
CATALOGUES = {"marketplace": ("segment", "family", "class"), "fashion": ("audience", "color")}
BOTH = tuple(facet for facets in CATALOGUES.values() for facet in facets)
MOST_QUESTIONS = 20
CHOICES = 5
NEIGHBOURS = 10
SEED = 1
EVERYTHING = Query()
# What is asked: the facet and the values offered; none: no question.
Ask = Callable[[View, Query, Sequence[str]], tuple[str, Sequence[str]] | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the labelled files")
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--shoppers", type=int, default=600, help="products that are looked for, drawn at random")
    arguments = parser.parse_args()

    products = read_catalogue(arguments.data, arguments.bundle)
    draw = random.Random(SEED)
    shoppers, neighbours = [], []
    for name, facets in CATALOGUES.items():
        catalogue = [each for each in products if each.facets & set(facets)]
        wanted = draw.sample(catalogue, min(arguments.shoppers, len(catalogue)))
        tagged, labelled = index_of(catalogue), index_of(catalogue, labelled_payload)
        indexes = (
            ("AUTO", tagged, Band.AUTO),
            ("AUTO or REVIEW", tagged, Band.REVIEW),
            ("labels", labelled, Band.AUTO),
        )
        for begins in ((), ("segment",)) if "segment" in facets else ((),):
            for tags, view, band in indexes:
                for asks, ask in ASKED.items():
                    ends = [shopped(view, band, ask, facets, product, begins) for product in wanted]
                    about = {
                        "catalogue": name,
                        "begins with": " ".join(begins) or "nothing",
                        "tags": tags,
                        "asks": asks,
                    }
                    shoppers.append(about | measured(ends))
        if "class" in facets:
            neighbours += [
                {"tags": tags} | hit_rates(view, wanted, catalogue, draw)
                for tags, view in (("AUTO", tagged), ("labels", labelled))
            ]
    known = [replace(each, labels=tags_of(each)) for each in products]
    wanted = draw.sample([each for each in known if each.labels], arguments.shoppers)
    view = index_of(products)
    for asks, ask in ASKED.items():
        ends = [shopped(view, Band.AUTO, ask, BOTH, product, ()) for product in wanted]
        about = {"catalogue": "both", "begins with": "nothing", "tags": "AUTO, which the shopper knows"}
        shoppers.append(about | {"asks": asks} | measured(ends))
    print(table(shoppers), "\n")
    print(table(neighbours))
    print(json.dumps({"shoppers": shoppers, "similar": neighbours}))


def index_of(products: Sequence[Product], payload: Callable[[Product], bytes] = lambda each: each.payload) -> View:
    index = Index()
    index.build()
    index.take([Change(each.product_id.encode(), (1, False, 0, 0), payload(each)) for each in products])
    return index.view()


def labelled_payload(product: Product) -> bytes:
    tags = tuple(ScoredTag(tag, 1.0, Source.HUMAN, Band.AUTO) for tag in sorted(product.labels))
    return encode_tags(TaggedProduct(product.product_id, 1, TagSet(tags, ()), "0" * 64, 0))


def tags_of(product: Product) -> frozenset[str]:
    return frozenset(each.tag for each in decode_tags(product.payload).tags.tags)


def clarify(view: View, query: Query, facets: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    _, question = next_question(view, query, EVERYTHING, facets, frozenset(), CHOICES)
    return (question.facet, [value for value, _ in question.choices]) if question.facet else None


def in_order(view: View, query: Query, facets: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """The first facet that still divides; no more questions once ten products or fewer are left."""
    candidates = view.hits(query)
    known = set(map(facet_of, query.wanted))
    for facet in facets if len(candidates) > NEIGHBOURS else ():
        if facet not in known:
            counted = ((len(candidates & view.postings(tag, query.min_band)), tag) for tag in view.values(facet))
            dividing = sorted((each for each in counted if 0 < each[0] < len(candidates)), reverse=True)[:CHOICES]
            if len(dividing) > 1:
                return facet, [value_of(tag) for _, tag in dividing]
    return None


def reversed_order(view: View, query: Query, facets: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    return in_order(view, query, facets[::-1])


def shopped(
    view: View, band: Band, ask: Ask, facets: Sequence[str], wanted: Product, begins: Sequence[str]
) -> tuple[list[int], bool]:
    """How many products are left before each question and at the end, and whether the shopper's is not among them."""
    query = Query(tuple(tag for tag in sorted(wanted.labels) if facet_of(tag) in begins), min_band=band)
    asked: set[str] = set()
    left = [len(view.hits(query))]
    while len(left) <= MOST_QUESTIONS:
        question = ask(view, query, [facet for facet in facets if facet not in asked])
        if question is None:
            break
        facet, values = question
        offered = tuple(f"{facet}:{value}" for value in values)
        fitting = tuple(tag for tag in offered if tag in wanted.labels)[:1]
        if fitting:
            query = replace(query, all_of=query.all_of + fitting)
        elif any(facet_of(label) == facet for label in wanted.labels):
            query = replace(query, none_of=query.none_of + offered)
        else:
            asked.add(facet)
        left.append(len(view.hits(query)))
    return left, view.number_of(wanted.product_id) not in view.hits(query)


def measured(ends: Sequence[tuple[list[int], bool]]) -> dict[str, str]:
    lefts, lost = zip(*ends, strict=True)
    questions = [len(left) - 1 for left in lefts]
    after = {f"left after {number}": [left[min(number, len(left) - 1)] for left in lefts] for number in (1, 2)}
    return {
        "questions, median": f"{statistics.median(questions):g}",
        "mean": f"{statistics.mean(questions):.1f}",
        **{name: f"{statistics.mean(each):.0f}" for name, each in after.items()},
        "left, median": f"{statistics.median(left[-1] for left in lefts):g}",
        "left, mean": f"{statistics.mean(left[-1] for left in lefts):.0f}",
        "lost": f"{statistics.mean(lost):.1%}",
    }


def hit_rates(
    view: View, wanted: Sequence[Product], products: Sequence[Product], draw: random.Random
) -> dict[str, Any]:
    """Of products with a class: how many of the first ten found, and of ten at random, have it too."""
    classes = {each.product_id: frozenset(tag for tag in each.labels if facet_of(tag) == "class") for each in products}
    have_class = [product_id for product_id, found in classes.items() if found]
    hits: list[float] = []
    by_chance: list[float] = []
    found = 0
    for product in wanted:
        own = classes[product.product_id]
        if not own:
            continue
        request = tags_pb2.SimilarProductsRequest(product_id=product.product_id, page_size=100)
        near = [each.product_id for each in similar(view, request).products if classes[each.product_id]][:NEIGHBOURS]
        found += bool(near)
        hits.append(statistics.mean(classes[each] == own for each in near) if near else 0.0)
        others = draw.sample(have_class, NEIGHBOURS)
        by_chance.append(statistics.mean(classes[each] == own for each in others))
    return {
        "products": str(len(hits)),
        "with similar ones": f"{found / len(hits):.1%}",
        "same class in the first ten": f"{statistics.mean(hits):.1%}",
        "by chance": f"{statistics.mean(by_chance):.1%}",
    }


ASKED: dict[str, Ask] = {"Clarify": clarify, "schema's order": in_order, "reversed": reversed_order}

if __name__ == "__main__":
    main()
