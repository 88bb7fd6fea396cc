"""How good the products are that `FindProducts` finds for a text, beside a search over the words of titles.

    python -m benchmarks.retrieval.run ../shared/data --queries fresh

The catalogues are the validation files of the marketplace (labelled with classes) and of the fashion shop (labelled
with audience and color), tagged by the bundle from title, description and category. The queries of
tests/judged/retrieval say which tags a relevant product has; a query is asked of the catalogue that is labelled with
them. The rules of search were chosen with a look at the `first` 200 queries, and without one at the `fresh` 120.
Keywords are BM25 over titles (bm25s, extra dev). `both` merges the two lists by reciprocal rank.

Prints a table and then JSON. Intervals are 95 % (percentiles of 2,000 resamples of the queries).
"""

import argparse
import json
import random
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table

from benchmarks.retrieval.catalogue import Product, read_catalogue
from benchmarks.retrieval.judge import Figures, Query, figures, read_queries
from benchmarks.retrieval.ways import ByTags, both, by_keywords
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger

JUDGED = Path(__file__).resolve().parents[2] / "tests" / "judged" / "retrieval"
QUERIES = {"first": JUDGED / "queries.jsonl", "fresh": JUDGED / "fresh.jsonl"}
WAYS = ("tags", "keywords", "both")
_RESAMPLES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the labelled files")
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--queries", choices=QUERIES, default="first", help="which judged queries (default: first)")
    options = parser.parse_args()
    products = read_catalogue(options.data, options.bundle)
    queries = read_queries(QUERIES[options.queries])
    tagger = open_tagger(ModelSettings(bundle=options.bundle, engine="cpu"))
    results: dict[str, dict[str, object]] = {}
    for name, facets in {"classes": {"class"}, "audience and color": {"audience", "color"}}.items():
        catalogue = [each for each in products if facets <= each.facets]
        asked = [each for each in queries if each.facets <= facets]
        results[name] = judged(catalogue, asked, tagger)
    report(results)


def judged(catalogue: list[Product], queries: list[Query], tagger: Tagger) -> dict[str, object]:
    """The figures of each way on a catalogue."""
    keywords, by_tags = by_keywords(catalogue), ByTags(catalogue, tagger)
    found: dict[str, list[list[str]]] = {
        "tags": by_tags.all([each.text for each in queries]),
        "keywords": [keywords(each.text) for each in queries],
    }
    found["both"] = [both(*pair) for pair in zip(found["tags"], found["keywords"], strict=True)]
    each_way: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for place, query in enumerate(queries):
        relevant = {each.product_id for each in catalogue if query.is_relevant(each)}
        assert relevant, query.text
        for way in WAYS:
            each_way[way].append(figures(found[way][place], relevant))
    return {
        "products": len(catalogue),
        "queries": len(queries),
        "without_products": {way: sum(not ids for ids in found[way]) for way in WAYS},
        **{way: summary(each_way[way], each_way["keywords"]) for way in WAYS},
        "both_beside_tags": interval(gains(each_way["both"], each_way["tags"])),
    }


def summary(found: list[Figures], keywords: list[Figures]) -> dict[str, object]:
    """Means, and the difference in NDCG to keywords with its interval."""
    beside = gains(found, keywords)
    return {
        "ndcg_10": round(mean(each.ndcg for each in found), 3),
        "precision_10": round(mean(each.precision for each in found), 3),
        "recall_100": round(mean(each.recall for each in found), 3),
        "ndcg_10_gain": interval(beside),
        "better": sum(gain > 0 for gain in beside),
        "worse": sum(gain < 0 for gain in beside),
    }


def gains(found: list[Figures], others: list[Figures]) -> list[float]:
    """Differences in NDCG, one a query."""
    return [each.ndcg - other.ndcg for each, other in zip(found, others, strict=True)]


def interval(differences: list[float]) -> list[float]:
    """The 95 % interval of their mean."""
    chance = random.Random(0)
    means = sorted(mean(chance.choices(differences, k=len(differences))) for _ in range(_RESAMPLES))
    return [round(means[int(_RESAMPLES * at)], 3) for at in (0.025, 0.975)]


def report(results: dict) -> None:
    """Print a table and JSON."""
    table = Table(
        "catalogue", "way", "NDCG@10", "precision@10", "recall@100", "NDCG beside keywords", "better/worse", "no hits"
    )
    for name, result in results.items():
        title = f"{name}: {result['products']:,} products, {result['queries']} queries"
        for way in WAYS:
            row = result[way]
            low, high = row["ndcg_10_gain"]
            gain = "" if way == "keywords" else f"{low:+.3f} to {high:+.3f}"
            numbers = (f"{row[key]:.3f}" for key in ("ndcg_10", "precision_10", "recall_100"))
            without = str(result["without_products"][way])
            table.add_row(title, way, *numbers, gain, f"{row['better']}/{row['worse']}", without)
            title = ""
    Console(width=150).print(table)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
