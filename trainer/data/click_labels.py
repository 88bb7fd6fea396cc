"""Labels for queries from the products that people chose for them."""

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from hangtag.tags.tag import value_of
from hangtag.trainer.data.click_log import Clicks
from hangtag.trainer.data.judged import JudgedText
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.words import whole_words


@dataclass(frozen=True, slots=True)
class ClickSettings:
    """When choices become labels.

    A facet of a query is labelled if at least `fewest` choices were of products labelled in it, and at least the share
    `agreement` of these have the same tags. Facets in `attributes` are labelled only with a tag that the query names:
    who chose a black dress did not ask for a black one. The share `held_out` of the queries is for evaluation.
    """

    fewest: int = 2
    agreement: float = 0.8
    attributes: Collection[str] = ()
    held_out: float = 0.0


@dataclass(frozen=True, slots=True)
class QueryLabels:
    """Queries as labelled products that have only a title, and those held out as judged texts.

    `unlabelled` counts the queries that got no label.
    """

    train: list[LabelledProduct]
    held_out: list[JudgedText]
    unlabelled: int


def label_queries(
    queries: Iterable[Clicks], products: Mapping[str, LabelledProduct], settings: ClickSettings
) -> QueryLabels:
    """Label queries by the choices that people made; whether a query is held out depends on its words alone."""
    train: list[LabelledProduct] = []
    held_out: list[JudgedText] = []
    unlabelled = 0
    for number, clicks in enumerate(queries, 1):
        if _chance(clicks.query) < settings.held_out:
            judged = _judged(clicks, products, settings)
            held_out += judged
            unlabelled += not judged
            continue
        tags = {facet: its for facet, its in _agreed(clicks, products, settings).items() if its}
        if tags:
            all_tags = frozenset(tag for its in tags.values() for tag in its)
            train.append(LabelledProduct(f"query-{number}", clicks.query, "", "", frozenset(tags), all_tags))
        else:
            unlabelled += 1
    return QueryLabels(train, held_out, unlabelled)


def _votes(clicks: Clicks, products: Mapping[str, LabelledProduct]) -> dict[str, Counter[frozenset[str]]]:
    """How often products with each set of tags were chosen, by facet."""
    votes: dict[str, Counter[frozenset[str]]] = {}
    for product_id, count in clicks.products.items():
        product = products[product_id]
        for facet in sorted(product.facets):
            votes.setdefault(facet, Counter())[product.tags_of(facet)] += count
    return votes


def _agreed(
    clicks: Clicks, products: Mapping[str, LabelledProduct], settings: ClickSettings
) -> dict[str, frozenset[str]]:
    """The tags of every facet that enough choices agree on; empty where they agree that none fits."""
    found = {}
    for facet, counts in _votes(clicks, products).items():
        (tags, most), total = counts.most_common(1)[0], counts.total()
        if total < settings.fewest or most < settings.agreement * total:
            continue
        if facet not in settings.attributes or (tags and all(_names(clicks.query, tag) for tag in tags)):
            found[facet] = tags
    return found


def _judged(clicks: Clicks, products: Mapping[str, LabelledProduct], settings: ClickSettings) -> list[JudgedText]:
    """The query as a judged text: acceptable are all values that more than a stray share of the choices have."""
    acceptable = {}
    for facet, counts in _votes(clicks, products).items():
        if counts.total() < settings.fewest:
            continue
        stray = (1 - settings.agreement) * counts.total()
        tags = {tag for its, count in counts.items() if count >= stray for tag in its}
        if facet in settings.attributes:
            tags = {tag for tag in tags if _names(clicks.query, tag)}
        if tags:
            acceptable[facet] = tuple(sorted(map(value_of, tags)))
    why = "what people chose for it"
    return [JudgedText(text=clicks.query, kind="query", acceptable=acceptable, why=why)] if acceptable else []


def _names(query: str, tag: str) -> bool:
    return bool(whole_words((value_of(tag),)).search(query))


def _chance(query: str) -> float:
    return zlib.crc32(query.casefold().encode()) / 2**32
