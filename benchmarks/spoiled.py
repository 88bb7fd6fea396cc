"""The effect of corrupted texts on a bundle's quality, and its predictions for texts that are not products.

Example: python -m benchmarks.spoiled --bundle hangtag/starter --data ../shared/data/marketplace-validation.jsonl.gz
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.tags.schema import FacetKind
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import read_labelled
from hangtag.trainer.data.shop_noise import noisy
from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of, served_tags
from tests import spoiling

SEED = 5
WAYS = {
    "unchanged": lambda product, _: product,
    "typing errors in 5 % of the words": spoiling.with_typing_errors,
    "lookalike letters, a tenth": spoiling.with_homoglyphs,
    "keywords stuffed": spoiling.with_stuffed_keywords,
    "hidden text": spoiling.with_hidden_text,
    "200 words of a shop's terms": spoiling.with_boilerplate,
    "habits of other shops": noisy,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    tagger = open_tagger(ModelSettings(bundle=arguments.bundle, engine="cpu"))
    products = read_labelled(arguments.data)
    columns = ("texts", "mean weighted F1", "lost", "AUTO coverage", "AUTO precision", "products with other AUTO tags")
    table = Table(*columns, title="single facets, %")
    before: list[set[str]] = []
    rows: dict[str, dict[str, float]] = {}
    for name, spoil in WAYS.items():
        rng = random.Random(SEED)
        spoiled = [spoil(product, rng) for product in products]
        logits = logits_of(tagger, spoiled)
        facets = evaluate_logits(tagger, spoiled, logits).facets
        auto = [{scored.tag for scored in tags.tags} for tags in served_tags(tagger, spoiled, logits)]
        before = before or auto
        changed = 100 * float(np.mean([old != new for old, new in zip(before, auto, strict=True)]))
        single = [
            facets[facet.name]
            for facet in tagger.bundle.schema.facets
            if facet.name in facets and facet.kind is FacetKind.SINGLE
        ]
        means = [
            100 * float(np.mean([getattr(score, figure) for score in single]))
            for figure in ("weighted_f1", "auto_coverage", "auto_precision")
        ]
        rows[name] = dict(zip(("weighted_f1", "auto_coverage", "auto_precision"), means, strict=True))
        rows[name]["changed"] = changed
        lost = rows["unchanged"]["weighted_f1"] - means[0]
        table.add_row(name, f"{means[0]:.2f}", f"{lost:.2f}", f"{means[1]:.1f}", f"{means[2]:.1f}", f"{changed:.1f}")
    texts = [ProductText.of(text) for text in spoiling.NO_PRODUCTS]
    predictions = tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))
    wrong = {
        text.first: [scored.tag for scored in tags.tags]
        for text, tags in zip(texts, predictions, strict=True)
        if tags.tags
    }
    console = Console()
    console.print(table)
    console.print(f"{len(texts)} texts that are not products: {len(wrong)} with AUTO tags {wrong or ''}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"spoiled": rows, "no_products": wrong}, indent=1))


if __name__ == "__main__":
    main()
